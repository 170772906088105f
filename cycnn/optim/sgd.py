"""Stochastic gradient descent."""

from ..functional.update import apply_sgd
from .optimizer import Optimizer, at_least_0, below_1, flag, option


class SGD(Optimizer):
    r"""Stochastic gradient descent, with PyTorch's update.

    .. math::
        g' = g + \lambda w, \qquad v = \mu v + g', \qquad w = w - \eta v

    with learning rate :math:`\eta`, momentum :math:`\mu` and weight decay :math:`\lambda`. In the
    first step v is g'. Nesterov's form steps by :math:`g' + \mu v` instead of v.

    Parameters
    ----------
    parameters : iterable of Parameter, or of dict
        What to update: `model.parameters()`, or groups: see :class:`cycnn.optim.Optimizer`.
    lr : float
        At least 0.
    momentum : float
        From 0 to below 1.
    weight_decay : float
        At least 0.
    nesterov : bool
        Needs momentum.

    Attributes
    ----------
    lr, momentum, weight_decay, nesterov
        May be changed between steps; schedules do.
    parameters : list of Parameter
    param_groups : list of dict
    """

    _CHECKS = {"lr": at_least_0, "momentum": below_1, "weight_decay": at_least_0, "nesterov": flag}
    _KEPT = ("momentum_buffer",)
    _takes_products = True

    lr, momentum, weight_decay, nesterov = map(option, _CHECKS)

    def __init__(self, parameters, lr, momentum=0.0, weight_decay=0.0, nesterov=False):
        super().__init__(parameters, {"lr": lr, "momentum": momentum,
                                      "weight_decay": weight_decay, "nesterov": nesterov})

    def _check_together(self, group):
        if group["nesterov"] and not group["momentum"]:
            raise ValueError("nesterov=True needs momentum above 0")

    def _names(self, lr, momentum, weight_decay, nesterov):
        # Without momentum there is no velocity: should a schedule raise it later, it starts then.
        # From zero: the first step's is g' itself.
        return self._KEPT if momentum else ()

    def _update(self, weights, grads, lr, momentum, weight_decay, nesterov):
        apply_sgd(weights, grads, lr, momentum, weight_decay, nesterov)
