"""Adam's and RMSprop's updates, in place, and the moving average of weights."""

from ..kernels import adaptive as kernels
from . import _check
from .update import Weight, kept, step_of


def adam_step(weight, grad, exp_avg, exp_avg_sq, step, lr=1e-3, betas=(0.9, 0.999), eps=1e-8,
              weight_decay=0.0, decoupled=False, max_exp_avg_sq=None):
    r"""One step of Adam, in PyTorch's form.

    .. math::
        m = \beta_1 m + (1 - \beta_1) g, \qquad v = \beta_2 v + (1 - \beta_2) g^2, \qquad
        w = w - \eta \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

    Parameters
    ----------
    weight : ndarray
        w, changed in place: writable, float32 or float64, C order.
    grad : array_like
        g, of the shape and dtype of `weight`.
    exp_avg, exp_avg_sq : ndarray
        m and v, changed in place, like `weight`. Zeros before the first step.
    step : int
        t, 1 in the first step.
    lr : float, optional
    betas : pair of float, optional
    eps, weight_decay : float, optional
    decoupled : bool, optional
        AdamW: w is multiplied by 1 - lr * weight_decay. Otherwise weight_decay * w is added to g.
    max_exp_avg_sq : ndarray, optional
        AMSGrad: the largest v so far, changed in place; it stands in v's place in the last formula.

    Raises
    ------
    TypeError, ValueError
        If an array to be changed is not of that kind, a shape does not fit, or a number is out of
        range.

    References
    ----------
    Kingma and Ba, arXiv:1412.6980; Loshchilov and Hutter, arXiv:1711.05101; Reddi, Kale and Kumar,
    arXiv:1904.09237.
    """
    step = _check.integer(step, "step", 1)
    options = (_check.number(lr, "lr", 0), *betas_of(betas), _check.number(eps, "eps", 0),
               _check.number(weight_decay, "weight_decay", 0),
               _check.flag(decoupled, "decoupled"))
    state = Weight(weight, "weight")
    vectors = [kept(exp_avg, "exp_avg", state), kept(exp_avg_sq, "exp_avg_sq", state)]
    if max_exp_avg_sq is not None:
        vectors.append(kept(max_exp_avg_sq, "max_exp_avg_sq", state))
    state.keep(*vectors)
    apply_adam([state], [grad], [step], *options)


def rmsprop_step(weight, grad, square_avg, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0,
                 momentum=0.0, momentum_buffer=None, grad_avg=None):
    r"""One step of RMSprop, in PyTorch's form.

    .. math::
        v = \alpha v + (1 - \alpha) g^2, \qquad b = \mu b + \frac{g}{\sqrt{v} + \epsilon}, \qquad
        w = w - \eta b

    Parameters
    ----------
    weight : ndarray
        w, changed in place: writable, float32 or float64, C order.
    grad : array_like
        g, of the shape and dtype of `weight`.
    square_avg : ndarray
        v, changed in place, like `weight`. Zeros before the first step.
    lr, alpha, eps, weight_decay, momentum : float, optional
        weight_decay * w is added to g.
    momentum_buffer : ndarray, optional
        b, changed in place; needed with momentum.
    grad_avg : ndarray, optional
        Centered: the average of g, :math:`a = \alpha a + (1 - \alpha) g`, changed in place;
        :math:`v - a^2` stands in v's place under the root.

    Raises
    ------
    TypeError, ValueError
        If an array to be changed is not of that kind, a shape does not fit, or a number is out of
        range.

    References
    ----------
    Hinton, Neural Networks for Machine Learning, lecture 6; Graves, arXiv:1308.0850 (centered).
    """
    options = (_check.number(lr, "lr", 0), _check.number(alpha, "alpha", 0),
               _check.number(eps, "eps", 0), _check.number(weight_decay, "weight_decay", 0),
               _check.number(momentum, "momentum", 0), grad_avg is not None)
    state = Weight(weight, "weight")
    square = kept(square_avg, "square_avg", state)
    buffer = kept(momentum_buffer, "momentum_buffer", state) if momentum else square
    state.keep(square, square if grad_avg is None else kept(grad_avg, "grad_avg", state), buffer)
    apply_rmsprop([state], [grad], *options)


def betas_of(betas):
    """`betas`, a pair of numbers, checked."""
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise ValueError(f"betas must be a tuple or list of two numbers, got {betas!r}")
    return tuple(_check.number(beta, f"betas[{i}]", 0, below=1) for i, beta in enumerate(betas))


# What follows takes lists of update.Weight, which keep what each rule needs, and gradients; all but
# the gradients has been checked.

def apply_adam(weights, grads, steps, lr, beta1, beta2, eps, weight_decay, decoupled):
    """:func:`adam_step` for several weights; `steps` is a list as long."""
    memory, grads, threads = step_of(weights, grads)
    kernels.adam(memory, grads, steps, lr, beta1, beta2, eps, weight_decay, decoupled, threads)


def apply_rmsprop(weights, grads, lr, alpha, eps, weight_decay, momentum, centered):
    """:func:`rmsprop_step` for several weights. Each keeps v, a and b: v itself for unused ones."""
    memory, grads, threads = step_of(weights, grads)
    kernels.rmsprop(memory, grads, lr, alpha, eps, weight_decay, momentum, centered, threads)


def apply_average(averages, arrays, decay):
    """average = decay * average + (1 - decay) * array, for several averages."""
    memory, arrays, threads = step_of(averages, arrays)
    kernels.average(memory, arrays, decay, threads)
