"""The optimizers' updates, in place."""

import numpy as np

from ..kernels import cpu
from ..kernels import update as kernels
from . import _check
from .linear import WeightGradient


def sgd_step(weight, grad, velocity, lr, momentum=0.0, weight_decay=0.0, nesterov=False,
             first=False):
    """One step of stochastic gradient descent, in PyTorch's form.

    g = grad + weight_decay * weight; velocity = momentum * velocity + g;
    weight -= lr * velocity, or with `nesterov` weight -= lr * (g + momentum * velocity).

    Parameters
    ----------
    weight : ndarray
        Changed in place: writable, float32 or float64, C order.
    grad : array_like
        Of the shape and dtype of `weight`.
    velocity : ndarray or None
        Changed in place, like `weight`; None without momentum.
    lr, momentum, weight_decay : float
    nesterov : bool, optional
    first : bool, optional
        The first step: `velocity` is set to g, whatever it held.

    Raises
    ------
    TypeError, ValueError
        If an array to be changed is not of that kind, a shape does not fit, a number is not finite,
        or is negative.
    """
    lr = _check.number(lr, "lr", 0)
    momentum = _check.number(momentum, "momentum", 0)
    weight_decay = _check.number(weight_decay, "weight_decay", 0)
    nesterov, first = _check.flag(nesterov, "nesterov"), _check.flag(first, "first")
    if nesterov and not momentum:
        raise ValueError("nesterov needs a momentum above 0, got momentum=0")
    state = Weight(weight, "weight")
    if momentum:
        state.keep(kept(velocity, "velocity", state))
    apply_sgd([state], [grad], lr, momentum, weight_decay, nesterov, first)


class Weight:
    """An array that steps change in place, checked once for all of them.

    Attributes
    ----------
    data, flat : numpy.ndarray
        The array, and its memory as a vector.
    kept : tuple of numpy.ndarray
        What an optimizer keeps for it: vectors of the same size and type.
    memory : kernels.update.Memory
        All of it as the kernel takes it.
    """

    def __init__(self, data, name):
        self.data, self.flat = data, in_place(data, name)
        self.shape, self.dtype, self.size = data.shape, data.dtype, data.size
        self.keep()

    def keep(self, *kept):
        self.kept = kept
        self.memory = kernels.Memory(self.flat, kept, self.data)

    def __getstate__(self):
        # A copy has memory of its own.
        return {**vars(self), "flat": None, "memory": None}

    def __setstate__(self, state):
        vars(self).update(state)
        self.flat = in_place(self.data, "data")
        self.keep(*self.kept)


def step_of(weights, grads):
    """(memory, gradients, threads) as kernels take them, for a list of :class:`Weight`."""
    memory = [weight.memory for weight in weights]
    if not kernels.fit(memory, grads):
        grads = [_gradient(grad, weight) for grad, weight in zip(grads, weights)]
    return memory, grads, cpu.threads_for(kernels.size_of(memory) * 8)


def apply_sgd(weights, grads, lr, momentum, weight_decay, nesterov, first=False):
    """`sgd_step` for several weights, when all but the gradients has been checked.

    `weights` is a list of :class:`Weight`, each with a velocity if there is momentum, and `grads` a
    list as long.
    """
    products = []
    if WeightGradient in map(type, grads):
        weights, grads, products = _apart(weights, grads, first)
    memory, grads, threads = step_of(weights, grads)        # all is checked before the first step
    for weight, grad in products:
        grad.sgd(weight.flat, weight.kept[0] if momentum else None, lr, momentum, weight_decay,
                 nesterov)
    kernels.sgd(memory, grads, lr, momentum, weight_decay, nesterov, first, threads)


def check_gradients(weights, grads):
    """Raise unless each of `grads` fits its weight: before any of several steps is taken."""
    for weight, grad in zip(weights, grads):
        if type(grad) is not WeightGradient:
            _gradient(grad, weight)


def _gradient(grad, weight):
    """`grad` as the kernel takes it."""
    grad = _check.floats(grad, "grad", dtype=weight.dtype)
    _check.shape(grad, weight.shape, "grad", "that of weight")
    return np.asarray(grad, order="C")


def _apart(weights, grads, first):
    """The weights whose gradients are arrays, these, and [(weight, product), ...] of the others."""
    rest, arrays, products = [], [], []
    for weight, grad in zip(weights, grads):
        if type(grad) is WeightGradient and len(grad.x) and not first:
            _check.shape(grad, weight.shape, "grad", "that of weight")
            products.append((weight, grad))
        else:
            rest.append(weight)
            arrays.append(grad.array() if type(grad) is WeightGradient else grad)
    return rest, arrays, products


def kept(x, name, weight):
    """The memory of what is kept for `weight` (Weight): an array like it, changed in place too."""
    vector = in_place(x, name)
    if x.dtype != weight.dtype:
        raise TypeError(f"{name} must be {weight.dtype} like weight, got {x.dtype}")
    _check.shape(x, weight.shape, name, "that of weight")
    return vector


def in_place(x, name):
    """The memory of an array that is to be changed, as a vector."""
    if not isinstance(x, np.ndarray) or x.dtype not in _check.FLOATS:
        raise TypeError(f"{name} must be a float32 or float64 array, got "
                        f"{x.dtype if isinstance(x, np.ndarray) else type(x).__name__}")
    if not (x.flags.c_contiguous and x.flags.writeable and x.flags.aligned):
        raise ValueError(f"{name} must be a writable array in C order: it is changed in place")
    return x.reshape(-1)
