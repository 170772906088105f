"""Losses that compare every number with its target, and their gradients."""

import math

import numpy as np

from ..kernels import cpu
from ..kernels import elementwise_loss as kernels
from . import _check
from .activation import dense, empty_like, like

# The work of one number, in the units of cpu.threads_for.
_WORK = {kernels.SQUARED: 8, kernels.ABSOLUTE: 8, kernels.HUBER: 8, kernels.LOGISTIC: 32}


def mse_loss(prediction, target, reduction="mean"):
    """The squared differences, (prediction - target)**2.

    Parameters
    ----------
    prediction, target : array_like
        Of the same shape and dtype.
    reduction : {"mean", "sum", "none"}, optional
        Their mean, their sum, or all of them.

    Returns
    -------
    float, or ndarray of the shape of `prediction`
        The mean of an empty array is NaN, as in PyTorch.

    Raises
    ------
    ValueError, TypeError
        If shapes or types do not fit together, or `reduction` is none of these.
    """
    return _forward(kernels.SQUARED, prediction, target, reduction)


def mse_loss_backward(prediction, target, reduction="mean"):
    """The gradient of :func:`mse_loss` with respect to the prediction: 2 (prediction - target) / n.

    Parameters
    ----------
    prediction, target, reduction
        As for :func:`mse_loss`. With "sum" and "none" there is no division by the number n of all
        numbers; with "none" it is the gradient of each loss with respect to its own prediction.

    Returns
    -------
    ndarray
        In the memory order of `prediction`.
    """
    return _backward(kernels.SQUARED, prediction, target, reduction)


def l1_loss(prediction, target, reduction="mean"):
    """The absolute differences, abs(prediction - target).

    Parameters, result and errors as for :func:`mse_loss`.
    """
    return _forward(kernels.ABSOLUTE, prediction, target, reduction)


def l1_loss_backward(prediction, target, reduction="mean"):
    """The gradient of :func:`l1_loss`: sign(prediction - target) / n, 0 where both are equal.

    Parameters and result as for :func:`mse_loss_backward`.
    """
    return _backward(kernels.ABSOLUTE, prediction, target, reduction)


def huber_loss(prediction, target, reduction="mean", delta=1.0):
    r"""Half the squared difference where it is small, a straight line beyond.

    .. math::
        l = \tfrac12 d^2 \text{ for } |d| < \delta, \qquad
        l = \delta (|d| - \tfrac12 \delta) \text{ otherwise}, \qquad d = x - t

    Huber, *Robust Estimation of a Location Parameter*, 1964.

    Parameters
    ----------
    prediction, target, reduction
        As for :func:`mse_loss`, whose result and errors this function has too.
    delta : float, optional
        Above 0.
    """
    delta = _check.positive(delta, "delta")
    return _forward(kernels.HUBER, prediction, target, reduction, delta=delta)


def huber_loss_backward(prediction, target, reduction="mean", delta=1.0):
    """The gradient of :func:`huber_loss`: the difference cut to [-delta, delta], divided by n.

    Parameters as for :func:`huber_loss`, result as for :func:`mse_loss_backward`.
    """
    delta = _check.positive(delta, "delta")
    return _backward(kernels.HUBER, prediction, target, reduction, delta=delta)


def binary_cross_entropy_with_logits(prediction, target, weight=None, reduction="mean",
                                     pos_weight=None):
    r"""The negative logarithm of the probability that a logit gives to a yes-or-no answer.

    .. math::
        l = -w \left( p\,t \log \sigma(x) + (1 - t) \log(1 - \sigma(x)) \right)

    Stable for logits of any size.

    Parameters
    ----------
    prediction : array_like
        Logits x, of any shape.
    target : array_like
        t, from 0 to 1, of the same shape and dtype.
    weight : array_like, optional
        w, of a shape that broadcasts to that of `prediction`; 1 if not given.
    reduction : {"mean", "sum", "none"}, optional
    pos_weight : array_like, optional
        p, what a yes weighs: of a shape that broadcasts, such as (classes,) for (N, classes).

    Returns
    -------
    float, or ndarray of the shape of `prediction`

    Raises
    ------
    ValueError, TypeError
        If shapes or types do not fit together, or `reduction` is none of these.
    """
    return _forward(kernels.LOGISTIC, prediction, target, reduction, weight, pos_weight)


def binary_cross_entropy_with_logits_backward(prediction, target, weight=None, reduction="mean",
                                              pos_weight=None):
    r"""The gradient of :func:`binary_cross_entropy_with_logits`.

    .. math::
        dx = w \left( (1 - t) \, \sigma(x) - p\,t \, \sigma(-x) \right)

    divided by their number for the mean: exact also where it is nearly 0. Parameters as for
    :func:`binary_cross_entropy_with_logits`, result as for :func:`mse_loss_backward`.
    """
    return _backward(kernels.LOGISTIC, prediction, target, reduction, weight, pos_weight)


def check_reduction(reduction):
    """`reduction`, if it is "mean", "sum" or "none"."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f'reduction must be "mean", "sum" or "none", got {reduction!r}')
    return reduction


def _forward(kind, prediction, target, reduction, weight=None, positive=None, delta=1.0):
    check_reduction(reduction)
    prediction = _check.floats(prediction, "prediction")
    if reduction != "none":     # so that the order of the additions does not depend on the memory's
        prediction = np.asarray(prediction, order="C")
    prediction, memory, others = _alike(prediction, target, weight, positive)
    size = memory.size
    losses = result = partial = None
    if reduction == "none":
        losses, result = empty_like(prediction, memory)
    else:
        partial = np.empty(-(-size // kernels.CHUNK))
    total = 0.0
    if size:
        total = kernels.forward(kind, memory, *others, result, partial, size, delta,
                                memory.itemsize, cpu.threads_for(size * _WORK[kind]))
    if reduction == "none":
        return losses
    return total if reduction == "sum" else total / size if size else math.nan


def _backward(kind, prediction, target, reduction, weight=None, positive=None, delta=1.0):
    check_reduction(reduction)
    prediction, memory, others = _alike(_check.floats(prediction, "prediction"), target, weight,
                                        positive)
    gradient, result = empty_like(prediction, memory)
    if memory.size:
        kernels.backward(kind, memory, *others, result, memory.size, delta,
                         1 / memory.size if reduction == "mean" else 1.0, memory.itemsize,
                         cpu.threads_for(memory.size * _WORK[kind]))
    return gradient


def _alike(prediction, target, weight, positive):
    """The prediction, its memory, and the memory of the other arrays in the same order."""
    prediction, memory = dense(prediction)
    target = _check.floats(target, "target", dtype=prediction.dtype)
    _check.shape(target, prediction.shape, "target", "that of prediction")
    others = [target]
    for array, name in ((weight, "weight"), (positive, "pos_weight")):
        if array is not None:
            array = _check.floats(array, name, dtype=prediction.dtype)
            try:
                array = np.broadcast_to(array, prediction.shape)
            except ValueError:
                raise ValueError(f"{name} must have a shape that broadcasts to that of prediction, "
                                 f"{prediction.shape}, got {array.shape}") from None
        others.append(array)
    return prediction, memory, [None if array is None else like(array, prediction, memory)
                                for array in others]
