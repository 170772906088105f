"""The optimizers' updates, in place."""

import functools

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
        Changed in place: float32 or float64, writable. C order is fastest.
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
    try:
        lr, momentum, weight_decay = _numbers(lr, momentum, weight_decay)
    except TypeError:                                   # what a cache cannot look up
        lr, momentum, weight_decay = _numbers.__wrapped__(lr, momentum, weight_decay)
    if nesterov and not momentum:
        raise ValueError("nesterov needs a momentum above 0, got momentum=0")
    new_weight = _vector(weight, "weight")
    grad = _check.floats(grad, "grad", dtype=new_weight.dtype)
    _check.shape(grad, weight.shape, "grad", "that of weight")
    new_velocity = _vector(velocity, "velocity") if momentum else new_weight[:0]
    if momentum:
        _check.floats(new_velocity, "velocity", dtype=new_weight.dtype)
        _check.shape(velocity, weight.shape, "velocity", "that of weight")
    _SGD[new_weight.dtype](new_weight, np.ascontiguousarray(grad).reshape(-1), new_velocity, lr,
                           momentum, weight_decay, bool(nesterov), bool(first),
                           cpu.threads_for(new_weight.size * 8))
    _write_back(weight, new_weight)
    if momentum:
        _write_back(velocity, new_velocity)


@functools.lru_cache(maxsize=64, typed=True)
def _numbers(lr, momentum, weight_decay):
    """The numbers, checked; remembered, because a step asks once for every parameter."""
    return (_check.number(lr, "lr", 0), _check.number(momentum, "momentum", 0),
            _check.number(weight_decay, "weight_decay", 0))


def _vector(x, name):
    """An array that is to be changed as a vector: its own memory where the kernel can take it."""
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f" or x.dtype.itemsize not in (4, 8):
        raise TypeError(f"{name} must be a float32 or float64 array, got "
                        f"{x.dtype if isinstance(x, np.ndarray) else type(x).__name__}")
    if not x.flags.writeable:
        raise ValueError(f"{name} must be writable: it is changed in place")
    return np.ascontiguousarray(_check.floats(x, name)).reshape(-1)


def _write_back(x, new):
    if not (x.flags.c_contiguous and x.flags.aligned and x.dtype == new.dtype):
        x[...] = new.reshape(x.shape)
