"""A convolution with the ReLU and the 2 x 2 max-pool that follow it, forward and backward in one.

The numbers are those of :func:`conv2d`, :func:`relu` and :func:`max_pool2d` one after another; what
is saved is passes over memory. Layers use this; images are channels last.
"""

from . import _algorithm, _check, conv, pool
from ._format import to_nhwc
from ._windows import window_geometry


def pool_plan(plan):
    """The plan of the one pool that a chain can end with, kept with that of its convolution."""
    if plan.pool is None:
        plan.pool = pool.max_plan(plan.rows, plan.dtype,
                                  *window_geometry(plan.out_shape, 2, 2, 0, 1, False))
    return plan.pool


def conv2d_chain(x, weight, bias, plan, relu, pooled, want_winners=True):
    """max_pool2d(relu(conv2d(x, weight, bias)), 2), each of the two if wanted.

    Parameters
    ----------
    x : array (N, C, H, W), channels-last memory
    weight, bias, plan
        Checked, as :func:`conv.check` and :func:`conv.check_bias` return them.
    relu, pooled : bool
    want_winners : bool
        Whether the backward pass will be needed.

    Returns
    -------
    y : array (N, K, OH, OW), channels-last memory
    winners : array (N, OH, OW, K), or None
        Which of its window's four pixels the maximum is; with `relu`, 4 where it is not above 0.
    """
    by_winograd = _algorithm.choose("auto", plan.winograd)
    rows = x.transpose(0, 2, 3, 1)
    y, winners = conv.forward(rows, weight, bias, plan, by_winograd, relu,
                              pool_plan(plan) if pooled else None, want_winners)
    return y.transpose(0, 3, 1, 2), winners


def conv2d_chain_backward(dy, winners, x, weight, bias, plan, input_gradient, masked):
    """Gradients of :func:`conv2d_chain`: dx, dweight, dbias.

    Parameters
    ----------
    dy : array (N, K, OH, OW)
        The gradient of y; without a pool that of the convolution's own result, behind the ReLU.
    winners : array or None
        As :func:`conv2d_chain` returned it.
    x, weight, plan
        As they were given to :func:`conv2d_chain`.
    bias : bool or "untied"
        As :func:`conv.kind_of` says it.
    input_gradient : bool
        Whether the gradient of x is wanted.
    masked : bool
        Whether x is the result of a ReLU, whose backward pass shall be done too.
    """
    dy = _check.floats(dy, "dy", 4, plan.dtype)
    if winners is not None:
        dy = pool.check_gradient(dy, winners)
    else:
        _check.shape(dy, plan.out_shape, "dy", "that of the layer's result")
        dy = to_nhwc(dy)
    dx, dweight, dbias = conv.backward(
        dy, x.transpose(0, 2, 3, 1), weight, plan,
        _algorithm.choose("auto", plan.winograd), bias, input_gradient, masked=masked,
        winners=winners)
    return dx.transpose(0, 3, 1, 2) if input_gradient else None, dweight, dbias
