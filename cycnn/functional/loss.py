"""Softmax and the losses."""

import math

import numpy as np

from ..kernels import cpu
from ..kernels import loss as kernels
from . import _check
from ._memory import empty, maker
from .activation import dense, empty_like, like

_SOFTMAX = _check.by_dtype(kernels.softmax)
_SOFTMAX_BACKWARD = _check.by_dtype(kernels.softmax_backward)
_SQUARED_ERROR = _check.by_dtype(kernels.squared_error)
_SQUARED_ERROR_BACKWARD = _check.by_dtype(kernels.squared_error_backward)

# The work of one number of a softmax, in the units of cpu.threads_for.
_WORK = 32


def softmax(x, axis=-1):
    """exp(x) / sum(exp(x)) along an axis, for numbers of any size.

    The maximum is subtracted first, so that nothing overflows: 1e30 is as good as 1. Minus infinity
    has probability 0; plus infinity, a NaN, or minus infinity alone make the whole row NaN, as in
    PyTorch.

    Parameters
    ----------
    x : array_like
    axis : int, optional

    Returns
    -------
    ndarray
        Of the shape and dtype of `x`.
    """
    x = _check.floats(x, "x")
    return _along(_softmax_rows, axis, x)


def softmax_backward(dy, y, axis=-1):
    """The gradient of :func:`softmax`: y * (dy - sum(dy * y)).

    Parameters
    ----------
    dy : array_like
        Gradient of the result.
    y : array_like
        The result.
    axis : int, optional
        As it was for :func:`softmax`.

    Returns
    -------
    ndarray
        Gradient of the argument.
    """
    y = _check.floats(y, "y")
    dy = _check.floats(dy, "dy", dtype=y.dtype)
    _check.shape(dy, y.shape, "dy", "that of y")
    return _along(_softmax_rows_backward, axis, dy, y)


def cross_entropy(logits, labels):
    """The mean over the batch of -log(softmax(logits))[label].

    Stable for logits of any size; see :func:`softmax` for infinities.

    Parameters
    ----------
    logits : array_like, shape (N, classes)
        Scores, not probabilities.
    labels : array_like of int, shape (N,)
        Each 0 <= label < classes.

    Returns
    -------
    float
        NaN for an empty batch, as in PyTorch.

    Raises
    ------
    TypeError
        If the labels are no integers.
    ValueError
        If a label is out of range, or there are not as many labels as rows.
    """
    return cross_entropy_with_gradient(logits, labels)[0]


def cross_entropy_backward(logits, labels):
    """The gradient of :func:`cross_entropy`: (softmax(logits) - one_hot(labels)) / N.

    Parameters
    ----------
    logits : array_like, shape (N, classes)
    labels : array_like of int, shape (N,)

    Returns
    -------
    ndarray, shape (N, classes)
    """
    return cross_entropy_with_gradient(logits, labels)[1]


def cross_entropy_with_gradient(logits, labels):
    """:func:`cross_entropy` and its gradient in one pass.

    Parameters
    ----------
    logits : array_like, shape (N, classes)
    labels : array_like of int, shape (N,)

    Returns
    -------
    loss : float
    gradient : ndarray, shape (N, classes)
    """
    return cross_entropy_of(*check_classes(logits, labels))


def check_classes(logits, labels):
    """logits and labels as the kernel takes them, and what makes the gradient's array."""
    logits = _check.dense(logits, "logits", 2)
    labels = _check.integers(labels, "labels", 1)
    rows, classes = logits.shape
    if not classes:
        raise ValueError(f"logits must have at least one class, got shape {logits.shape}")
    _check.shape(labels, (rows,), "labels", "one for each row of logits")
    return logits, labels, maker(logits.shape, logits.dtype)


def cross_entropy_of(logits, labels, new_gradient):
    """:func:`cross_entropy_with_gradient` of what :func:`check_classes` returned."""
    rows, classes = logits.shape
    gradient = new_gradient()
    if not rows:
        return math.nan, gradient
    loss = kernels.cross_entropy(logits, labels, gradient, rows, classes, logits.itemsize,
                                 cpu.threads_for(rows * classes * _WORK))
    if loss is None:
        _check.in_range(labels, classes, "labels", "the number of classes")
    return loss, gradient


def mse_loss(prediction, target):
    """The mean of (prediction - target)**2 over all numbers.

    Parameters
    ----------
    prediction, target : array_like
        Of the same shape and dtype.

    Returns
    -------
    float
        NaN for empty arrays, as in PyTorch.
    """
    # In C order, so that the order of the additions does not depend on the memory's.
    prediction = np.asarray(_check.floats(prediction, "prediction"), order="C")
    _, memory, target = _pair(prediction, target)
    size = memory.size
    if not size:
        return math.nan
    return _SQUARED_ERROR[memory.dtype](memory.reshape(-1), target,
                                        np.empty(-(-size // kernels.CHUNK)),
                                        cpu.threads_for(size * 8))


def mse_loss_backward(prediction, target):
    """The gradient of :func:`mse_loss` with respect to the prediction: 2 (prediction - target) / n.

    Parameters
    ----------
    prediction, target : array_like
        Of the same shape and dtype.

    Returns
    -------
    ndarray
        In the memory order of `prediction`.
    """
    prediction, memory, target = _pair(prediction, target)
    gradient, result = empty_like(prediction, memory)
    if memory.size:
        _SQUARED_ERROR_BACKWARD[memory.dtype](memory.reshape(-1), target, result.reshape(-1),
                                              cpu.threads_for(memory.size * 8))
    return gradient


def _pair(prediction, target):
    """The prediction, its memory, and the target's as a vector in the same order."""
    prediction, memory = dense(_check.floats(prediction, "prediction"))
    target = _check.floats(target, "target", dtype=prediction.dtype)
    _check.shape(target, prediction.shape, "target", "that of prediction")
    return prediction, memory, like(target, prediction, memory).reshape(-1)


def _along(rows_function, axis, *arrays):
    """`rows_function` on the arrays as rows along `axis`."""
    ndim = arrays[0].ndim
    axis = _check.integer(axis, "axis", -ndim)
    if axis >= ndim:
        raise ValueError(f"axis must be from {-ndim} to {ndim - 1} for an array of {ndim} "
                         f"dimensions, got {axis}")
    arrays = [np.ascontiguousarray(np.moveaxis(array, axis, -1)) for array in arrays]
    result = empty(arrays[0].shape, arrays[0].dtype)
    if result.size:
        rows_function(*(array.reshape(-1, array.shape[-1]) for array in (*arrays, result)))
    return np.ascontiguousarray(np.moveaxis(result, -1, axis))


def _softmax_rows(x, y):
    _SOFTMAX[x.dtype](x, y, cpu.threads_for(x.size * _WORK))


def _softmax_rows_backward(dy, y, dx):
    _SOFTMAX_BACKWARD[y.dtype](dy, y, dx, cpu.threads_for(y.size * 8))
