"""The linear layer's arithmetic: `linear` and its gradients."""

import numpy as np

from ..kernels import linear as kernel
from ..kernels.cpu import threads_for
from . import _check
from ._memory import empty


def linear(x, weight, bias=None):
    r"""An affine map of each row: :math:`y = x\,weight^T + bias`.

    Parameters
    ----------
    x : array (N, in_features)
        float32 or float64, any strides. Integers and float16 are converted to float32.
    weight : array (out_features, in_features)
        Of the same type as `x`.
    bias : array (out_features,), optional

    Returns
    -------
    array (N, out_features)

    Raises
    ------
    ValueError, TypeError
        If the shapes or types do not fit together.
    """
    x, weight = _matrices(x, weight)
    if bias is not None:
        bias = _check.dense(bias, "bias", 1, x.dtype)
        _check.shape(bias, weight.shape[:1], "bias", "one number an output feature")
    rows, inputs = x.shape
    outputs = len(weight)
    y = empty((rows, outputs), x.dtype)
    if rows:
        kernel.forward(x, weight, bias, y, rows, inputs, outputs, x.itemsize,
                       threads_for(rows * inputs * outputs))
    return y


def linear_backward(dy, x, weight, bias=False, input_gradient=True):
    r"""Gradients of :func:`linear`.

    .. math:: dx = dy\,weight, \qquad dweight = dy^T x, \qquad dbias[o] = \sum_n dy[n, o]

    Parameters
    ----------
    dy : array (N, out_features)
        The gradient of the loss with respect to the result of `linear`.
    x, weight
        As they were given to `linear`.
    bias : bool
        Whether to compute the gradient of the bias.
    input_gradient : bool
        Whether to compute the gradient of `x`.

    Returns
    -------
    dx : array (N, in_features), or None
    dweight : array (out_features, in_features)
    dbias : array (out_features,), or None

    Raises
    ------
    ValueError, TypeError
        If the shapes or types do not fit together.
    """
    x, weight = _matrices(x, weight)
    dy = _check.dense(dy, "dy", 2, x.dtype)
    rows, inputs = x.shape
    outputs = len(weight)
    _check.shape(dy, (rows, outputs), "dy", "that of linear's result")
    # Without images, every sum is empty.
    new = empty if rows else np.zeros
    dweight = new(weight.shape, x.dtype)
    dbias = new((outputs,), x.dtype) if bias else None
    dx = new(x.shape, x.dtype) if input_gradient else None
    if rows:
        kernel.backward(dy, x, weight, dweight, dbias, dx, rows, inputs, outputs, x.itemsize,
                        threads_for(rows * inputs * outputs))
    return dx, dweight, dbias


def _matrices(x, weight):
    x = _check.dense(x, "x", 2)
    weight = _check.dense(weight, "weight", 2, x.dtype)
    if weight.shape[1] != x.shape[1] or 0 in weight.shape:
        raise ValueError(f"weight must have shape (out_features, {x.shape[1]}), no dimension "
                         f"empty, for x of shape {x.shape}; got {weight.shape}")
    return x, weight
