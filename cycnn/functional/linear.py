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
    return linear_chain(*check_linear(x, weight, bias))


def linear_chain(x, weight, bias, relu=False):
    """:func:`linear` for checked arguments, then ReLU if wanted."""
    rows, inputs = x.shape
    outputs = len(weight)
    y = empty((rows, outputs), x.dtype)
    if rows:
        kernel.forward(x, weight, bias, y, rows, inputs, outputs, relu, x.itemsize,
                       threads_for(rows * inputs * outputs))
    return y


def linear_backward(dy, x, weight, bias=False, input_gradient=True, weight_gradient=True):
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
    weight_gradient : bool
        Whether to compute those of `weight` and bias, which a frozen layer does not need.

    Returns
    -------
    dx : array (N, in_features), or None
    dweight : array (out_features, in_features), or None
    dbias : array (out_features,), or None

    Raises
    ------
    ValueError, TypeError
        If the shapes or types do not fit together.
    """
    x, weight, _ = check_linear(x, weight, None)
    return linear_chain_backward(dy, x, weight, bias and weight_gradient, input_gradient,
                                 weight_gradient)


def linear_chain_backward(dy, x, weight, bias, input_gradient, weight_gradient=True,
                          masked=False):
    """:func:`linear_backward`, in which the gradients of weight and bias are wanted or not alone.

    x and weight have been checked. With `masked`, dx is 0 where x is not above 0: the backward pass
    of a ReLU that made x.
    """
    dy = _check.dense(dy, "dy", 2, x.dtype)
    rows, inputs = x.shape
    outputs = len(weight)
    _check.shape(dy, (rows, outputs), "dy", "that of linear's result")
    # Without images, every sum is empty.
    new = empty if rows else np.zeros
    dweight = new(weight.shape, x.dtype) if weight_gradient else None
    dbias = new((outputs,), x.dtype) if bias else None
    dx = new(x.shape, x.dtype) if input_gradient else None
    if rows:
        kernel.backward(dy, x, weight, dweight, dbias, dx, rows, inputs, outputs, masked,
                        x.itemsize, threads_for(rows * inputs * outputs))
    return dx, dweight, dbias


class WeightGradient:
    """The gradient of a linear layer's weight, dy^T x, before it is worked out.

    A large one is as much memory to write and read again as the weight itself; an optimizer that
    knows this class goes without. dy and x must not change as long as it is needed.
    """

    __slots__ = ("dy", "x", "shape", "dtype", "size")

    def __init__(self, dy, x):
        self.x = _check.dense(x, "x", 2)
        self.dy = _check.dense(dy, "dy", 2, self.x.dtype)
        self.shape, self.dtype = (dy.shape[1], x.shape[1]), self.x.dtype
        self.size = dy.shape[1] * x.shape[1]

    def array(self):
        """The gradient as an array."""
        return linear_backward(self.dy, self.x, np.empty(self.shape, self.dtype),
                               input_gradient=False)[1]

    def sgd(self, weight, velocity, lr, momentum, weight_decay, nesterov):
        """:func:`sgd_step` with this gradient, on arrays that have been checked."""
        kernel.sgd(self.dy, self.x, weight, velocity, len(self.x), self.shape[1], self.shape[0],
                   lr, momentum, weight_decay, nesterov, self.x.itemsize,
                   threads_for(self.size * len(self.x)))


def check_linear(x, weight, bias):
    """x, weight and bias in C order, checked."""
    x = _check.dense(x, "x", 2)
    weight = _check.dense(weight, "weight", 2, x.dtype)
    if weight.shape[1] != x.shape[1] or 0 in weight.shape:
        raise ValueError(f"weight must have shape (out_features, {x.shape[1]}), no dimension "
                         f"empty, for x of shape {x.shape}; got {weight.shape}")
    if bias is not None:
        bias = _check.dense(bias, "bias", 1, x.dtype)
        _check.shape(bias, weight.shape[:1], "bias", "one number an output feature")
    return x, weight, bias
