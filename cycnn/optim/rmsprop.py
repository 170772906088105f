"""RMSprop."""

from ..functional import _check
from ..functional.adaptive import apply_rmsprop
from .optimizer import Optimizer, at_least_0, below_1, flag, option


def _up_to_1(value, name):
    value = _check.number(value, name, 0)
    if value > 1:
        raise ValueError(f"{name} must be from 0 to 1, got {value!r}")
    return value


class RMSprop(Optimizer):
    r"""Gradients divided by their root mean square, with PyTorch's update.

    .. math::
        v = \alpha v + (1 - \alpha) g^2, \qquad b = \mu b + \frac{g}{\sqrt{v} + \epsilon}, \qquad
        w = w - \eta b

    with all of them zero before the first step. Hinton, Neural Networks for Machine Learning,
    lecture 6.

    Parameters
    ----------
    parameters : iterable of Parameter, or of dict
        What to update: `model.parameters()`, or groups: see :class:`cycnn.optim.Optimizer`.
    lr : float
        At least 0.
    alpha : float
        From 0 to 1.
    eps : float
        At least 0.
    weight_decay : float
        At least 0: this much of w is added to g.
    momentum : float
        :math:`\mu`, from 0 to below 1.
    centered : bool
        Divide by the gradient's standard deviation: :math:`v - a^2` stands for v under the root,
        with the average a of g (Graves, arXiv:1308.0850). Rounding cannot make it negative here.

    Attributes
    ----------
    lr, alpha, eps, weight_decay, momentum, centered
        May be changed between steps; schedules do.
    parameters : list of Parameter
    param_groups : list of dict
    """

    _CHECKS = {"lr": at_least_0, "alpha": _up_to_1, "eps": at_least_0, "weight_decay": at_least_0,
               "momentum": below_1, "centered": flag}
    _KEPT = ("square_avg", "grad_avg", "momentum_buffer")
    _COUNTS = True

    lr, alpha, eps, weight_decay, momentum, centered = map(option, _CHECKS)

    def __init__(self, parameters, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0,
                 centered=False):
        super().__init__(parameters, {"lr": lr, "alpha": alpha, "eps": eps,
                                      "weight_decay": weight_decay, "momentum": momentum,
                                      "centered": centered})

    def _names(self, lr, alpha, eps, weight_decay, momentum, centered):
        # The kernel wants three arrays, and leaves alone those that it does not need.
        square, mean, buffer = self._KEPT
        return square, mean if centered else square, buffer if momentum else square

    def _update(self, weights, grads, *options):
        apply_rmsprop(weights, grads, *options)
        for weight in weights:
            weight.steps += 1
