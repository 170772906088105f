"""The linear layer's arithmetic: `linear` and its gradients."""

from functools import lru_cache

import numpy as np

from ..kernels import linear as kernel
from ..kernels.cpu import threads_for
from . import _check
from ._memory import maker


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
    return linear_chain(*check(x, weight, bias))


class Plan:
    """What the shapes and the type of a linear map come to: decided once.

    Attributes
    ----------
    shape : tuple
        Rows of x, input features, output features.
    out_shape : tuple
        Of y.
    work : int
        Multiply-adds of one pass.
    new_y, new_dx, new_dweight, new_dbias
        What makes the arrays to be filled.
    """

    def __init__(self, rows, inputs, outputs, dtype):
        self.shape, self.out_shape = (rows, inputs, outputs), (rows, outputs)
        self.dtype, self.itemsize, self.work = dtype, dtype.itemsize, rows * inputs * outputs
        new = None if rows else np.zeros        # without rows, every sum is empty
        self.new_y, self.new_dx = maker(self.out_shape, dtype), maker((rows, inputs), dtype)
        self.new_dweight = maker((outputs, inputs), dtype, new)
        self.new_dbias = maker((outputs,), dtype, new)


def linear_chain(x, weight, bias, plan, relu=False):
    """:func:`linear` for what :func:`check` returned, then ReLU if wanted."""
    y = plan.new_y()
    if plan.work:
        kernel.forward(x, weight, bias, y, *plan.shape, relu, plan.itemsize,
                       threads_for(plan.work))
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
    x, weight, _, plan = check(x, weight, None)
    return linear_chain_backward(dy, x, weight, plan, bias and weight_gradient, input_gradient,
                                 weight_gradient)


def linear_chain_backward(dy, x, weight, plan, bias, input_gradient, weight_gradient=True,
                          masked=False):
    """:func:`linear_backward`, in which the gradients of weight and bias are wanted or not alone.

    x, weight and plan are what :func:`check` returned. With `masked`, dx is 0 where x is not above
    0: the backward pass of a ReLU that made x.
    """
    dy = _check.dense(dy, "dy", 2, plan.dtype)
    _check.shape(dy, plan.out_shape, "dy", "that of linear's result")
    dweight = plan.new_dweight() if weight_gradient else None
    dbias = plan.new_dbias() if bias else None
    dx = plan.new_dx() if input_gradient else None
    if plan.work:
        kernel.backward(dy, x, weight, dweight, dbias, dx, *plan.shape, masked, plan.itemsize,
                        threads_for(plan.work * (weight_gradient + input_gradient)))
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


def check(x, weight, bias):
    """x, weight and bias in C order, and the Plan for them."""
    x = _check.dense(x, "x", 2)
    weight = _check.dense(weight, "weight", 2, x.dtype)
    if weight.shape[1] != x.shape[1] or 0 in weight.shape:
        raise ValueError(f"weight must have shape (out_features, {x.shape[1]}), no dimension "
                         f"empty, for x of shape {x.shape}; got {weight.shape}")
    if bias is not None:
        bias = _check.dense(bias, "bias", 1, x.dtype)
        _check.shape(bias, weight.shape[:1], "bias", "one number an output feature")
    return x, weight, bias, plan_for(*x.shape, len(weight), x.dtype)


plan_for = lru_cache(maxsize=512)(Plan)
