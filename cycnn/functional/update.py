"""The optimizers' updates, in place."""

import numpy as np

from ..kernels import cpu
from ..kernels import update as kernels
from . import _check

_SGD = _check.by_dtype(kernels.sgd)


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
    if nesterov and not momentum:
        raise ValueError("nesterov needs a momentum above 0, got momentum=0")
    flat = in_place(weight, "weight")
    if momentum:
        old = in_place(velocity, "velocity")
        if velocity.dtype != weight.dtype:
            raise TypeError(f"velocity must be {weight.dtype} like weight, got {velocity.dtype}")
        _check.shape(velocity, weight.shape, "velocity", "that of weight")
    else:
        old = flat[:0]
    apply_sgd(flat, weight.shape, grad, old, lr, momentum, weight_decay, bool(nesterov),
              bool(first))


def apply_sgd(flat, shape, grad, velocity, lr, momentum, weight_decay, nesterov, first):
    """`sgd_step` for an optimizer that has checked the rest: only `grad` is new at every step.

    `flat` and `velocity` are the memory of weight and velocity as vectors (:func:`in_place`).
    """
    grad = _check.floats(grad, "grad", dtype=flat.dtype)
    _check.shape(grad, shape, "grad", "that of weight")
    if not grad.flags.c_contiguous:
        grad = np.ascontiguousarray(grad)
    _SGD[flat.dtype](flat, grad.reshape(-1), velocity, lr, momentum, weight_decay, nesterov,
                     first, cpu.threads_for(flat.size * 8))


def in_place(x, name):
    """The memory of an array that is to be changed, as a vector."""
    if not isinstance(x, np.ndarray) or x.dtype not in _check.FLOATS:
        raise TypeError(f"{name} must be a float32 or float64 array, got "
                        f"{x.dtype if isinstance(x, np.ndarray) else type(x).__name__}")
    if not (x.flags.c_contiguous and x.flags.writeable and x.flags.aligned):
        raise ValueError(f"{name} must be a writable array in C order: it is changed in place")
    return x.reshape(-1)
