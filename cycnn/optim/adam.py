"""Adam, and AdamW."""

from ..functional.adaptive import apply_adam, betas_of
from .optimizer import Optimizer, at_least_0, flag, option


class Adam(Optimizer):
    r"""Steps whose size is the gradient's average over its root mean square, with PyTorch's update.

    .. math::
        m = \beta_1 m + (1 - \beta_1) g, \qquad v = \beta_2 v + (1 - \beta_2) g^2, \qquad
        w = w - \eta \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

    in step t = 1, 2, ..., with m and v zero before. Kingma and Ba, arXiv:1412.6980.

    Parameters
    ----------
    parameters : iterable of Parameter, or of dict
        What to update: `model.parameters()`, or groups: see :class:`cycnn.optim.Optimizer`.
    lr : float
        At least 0.
    betas : pair of float
        From 0 to below 1.
    eps : float
        At least 0.
    weight_decay : float
        At least 0: this much of w is added to g. (:class:`AdamW` decays w itself.)
    amsgrad : bool
        The largest v so far stands in v's place in the last formula (Reddi, Kale and Kumar,
        arXiv:1904.09237).

    Attributes
    ----------
    lr, betas, eps, weight_decay, amsgrad
        May be changed between steps; schedules do.
    parameters : list of Parameter
    param_groups : list of dict
    """

    _CHECKS = {"lr": at_least_0, "betas": lambda value, name: betas_of(value), "eps": at_least_0,
               "weight_decay": at_least_0, "amsgrad": flag}
    _KEPT = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
    _NEEDED = 2
    _COUNTS = True
    _decoupled = False

    lr, betas, eps, weight_decay, amsgrad = map(option, _CHECKS)

    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0,
                 amsgrad=False):
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps,
                                      "weight_decay": weight_decay, "amsgrad": amsgrad})

    def _names(self, lr, betas, eps, weight_decay, amsgrad):
        return self._KEPT if amsgrad else self._KEPT[:2]

    def _update(self, weights, grads, lr, betas, eps, weight_decay, amsgrad):
        apply_adam(weights, grads, [weight.steps + 1 for weight in weights], lr, *betas, eps,
                   weight_decay, self._decoupled)
        for weight in weights:
            weight.steps += 1


class AdamW(Adam):
    r""":class:`Adam` in which the weight decay is no part of the gradient.

    .. math::
        w = (1 - \eta \lambda) w

    comes before Adam's update without weight decay. Loshchilov and Hutter, arXiv:1711.05101.

    Parameters
    ----------
    parameters, lr, betas, eps, amsgrad
        As for :class:`Adam`.
    weight_decay : float
        :math:`\lambda`, at least 0.
    """

    _decoupled = True

    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2,
                 amsgrad=False):
        super().__init__(parameters, lr, betas, eps, weight_decay, amsgrad)
