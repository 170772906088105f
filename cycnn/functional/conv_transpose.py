"""Transposed convolution: the convolution's input gradient as a forward pass, and back again.

Its weight is that of a convolution which leads from y to x, so no kernel of its own is needed: the
forward pass is that convolution's input gradient, the gradient of x is that convolution of dy, and
the gradient of the weight is the convolution's.
"""

from functools import lru_cache

import numpy as np

from ..kernels import norm as kernel
from ..kernels.cpu import threads_for
from . import _algorithm, _check, conv
from ._check import option
from ._format import from_nhwc, is_channels_last, to_nhwc
from ._memory import empty
from .pad import zero_pad2d


def conv_transpose2d(x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1,
                     dilation=1):
    r"""Transposed convolution: every pixel of x spreads the kernel over y.

    .. math::
        y[n, k, h s_h - p_h + u d_h, w s_w - p_w + v d_w] \mathrel{+}=
            \sum_c weight[c, k, u, v] \, x[n, c, h, w]

    for every pixel (h, w) and tap (u, v), where c runs over the channels of k's group; what falls
    outside y is lost. Then bias[k] is added.

    Parameters
    ----------
    x : array (N, C, H, W)
        Images, float32 or float64, any strides. Integers and float16 are converted to float32.
    weight : array (C, K / groups, kH, kW)
        Of the same type as `x`.
    bias : array (K,), optional
    stride, dilation : int or pair of int
        Vertical and horizontal, at least 1.
    padding : int or pair of int
        Rows and columns that y lacks on each side.
    output_padding : int or pair of int
        Rows and columns that y has more below and on the right; less than stride or dilation.
    groups : int
        Splits the channels: group i of the outputs sees group i of the inputs alone.

    Returns
    -------
    array (N, K, OH, OW)
        ``OH = (H - 1) s_h - 2 p_h + d_h (kH - 1) + output_padding_h + 1``, likewise OW; of the type
        and memory format of `x`.

    Raises
    ------
    ValueError, TypeError
        If the shapes, types or options do not fit together.
    """
    x, weight, bias, _, more, plan = check(x, weight, bias, stride, padding, output_padding, groups,
                                           dilation)
    rows, _, _ = conv.backward(to_nhwc(_with_more(x, more)), None, weight, plan, _winograd(plan),
                               False, True, weight_gradient=False)
    if bias is not None and rows.size:
        add_bias(rows, bias)
    return from_nhwc(rows, is_channels_last(x))


def conv_transpose2d_backward(dy, x, weight, bias=False, stride=1, padding=0, output_padding=0,
                              groups=1, dilation=1, input_gradient=True, weight_gradient=True):
    """Gradients of :func:`conv_transpose2d`.

    Parameters
    ----------
    dy : array (N, K, OH, OW)
        The gradient of the loss with respect to the result of `conv_transpose2d`.
    x, weight, stride, padding, output_padding, groups, dilation
        As they were given to `conv_transpose2d`.
    bias : bool
        Whether to compute the gradient of the bias.
    input_gradient : bool
        Whether to compute the gradient of `x`.
    weight_gradient : bool
        Whether to compute those of `weight` and bias.

    Returns
    -------
    dx : array of the shape and memory format of x, or None
    dweight : array of the shape of weight, or None
    dbias : array (K,), or None

    Raises
    ------
    ValueError, TypeError
        If the shapes, types or options do not fit together.
    """
    x, weight, _, out_shape, more, plan = check(x, weight, None, stride, padding, output_padding,
                                                groups, dilation)
    dy = _check.floats(dy, "dy", 4, x.dtype)
    _check.shape(dy, out_shape, "dy", "that of conv_transpose2d's result")
    dy, dx, dweight, dbias = to_nhwc(dy), None, None, None
    if weight_gradient:
        # For the convolution dy is the input, and x what it led to.
        _, dweight, _ = conv.backward(to_nhwc(_with_more(x, more)), dy, weight, plan,
                                      _winograd(plan), False, False)
        dbias = channel_sums(dy) if bias else None
    if input_gradient:
        rows, _ = conv.forward(dy, weight, None, plan, _winograd(plan))
        if more != (0, 0):
            rows = np.ascontiguousarray(rows[:, :x.shape[2], :x.shape[3]])
        dx = from_nhwc(rows, is_channels_last(x))
    return dx, dweight, dbias


def add_bias(rows, bias):
    """rows[..., k] += bias[k], in place."""
    k = len(bias)
    kernel.forward(rows, None, rows, None, bias, np.zeros(k), np.ones(k), 1, rows.size // k, k, k,
                   0.0, True, False, rows.itemsize, threads_for(rows.size * 8))


def channel_sums(rows):
    """The sum over all pixels of (N, H, W, C)."""
    c = rows.shape[-1]
    result = empty((c,), rows.dtype) if rows.size else np.zeros(c, rows.dtype)
    if rows.size:
        kernel.channel_sums(rows, result, rows.size // c, c, rows.itemsize,
                            threads_for(rows.size * 4))
    return result


def check(x, weight, bias, stride, padding, output_padding, groups, dilation):
    """x, weight and bias, the shape of y, the rows and columns x has to have more, and a conv.Plan.

    That is of the convolution which leads from y to x.
    """
    x = _check.floats(x, "x", 4)
    weight = _check.dense(weight, "weight", 4, x.dtype)
    if bias is not None:
        bias = _check.dense(bias, "bias", 1, x.dtype)
    found = _plan(x.shape, weight.shape, x.dtype, option(stride, "stride", 1),
                  option(padding, "padding", 0), option(output_padding, "output_padding", 0),
                  _check.integer(groups, "groups", 1), option(dilation, "dilation", 1))
    if bias is not None:
        _check.shape(bias, found[0][1:2], "bias", "one number an output channel")
    return x, weight, bias, *found


@lru_cache(maxsize=256)
def _plan(x_shape, weight_shape, dtype, stride, padding, output_padding, groups, dilation):
    """(the shape of y, what x lacks, conv.Plan); shapes and options checked."""
    n, c = x_shape[:2]
    if 0 in weight_shape:
        raise ValueError(f"weight must have no empty dimension, got shape {weight_shape}")
    if weight_shape[0] != c:
        raise ValueError(f"weight must have shape ({c}, out_channels / groups, kH, kW) for x of "
                         f"shape {x_shape}, got {weight_shape}")
    if c % groups:
        raise ValueError(f"groups must divide the {c} channels of x, got {groups}")
    if not x_shape[2] * x_shape[3]:
        raise ValueError(f"x must have at least one pixel, got shape {x_shape}")
    stride, dilation = _check.pair(stride, "stride", 1), _check.pair(dilation, "dilation", 1)
    padding, extra = _check.pair(padding, "padding", 0), check_output_padding(
        output_padding, stride, dilation)
    size = tuple((length - 1) * s - 2 * p + d * (kernel - 1) + e + 1 for length, s, p, d, kernel, e
                 in zip(x_shape[2:], stride, padding, dilation, weight_shape[2:], extra))
    if min(size) < 1:
        raise ValueError(f"padding={padding} leaves nothing of the result of x of shape {x_shape} "
                         f"and weight of shape {weight_shape}")
    out_shape = n, weight_shape[1] * groups, *size
    _check.size(out_shape, "the output of conv_transpose2d")
    # Where output_padding is not below the stride, the convolution leads to more than x has.
    more = tuple(e // s for e, s in zip(extra, stride))
    return out_shape, more, conv.plan_for(out_shape, weight_shape, dtype, stride, padding, dilation,
                                          groups)


def check_output_padding(output_padding, stride, dilation):
    """`output_padding` as a pair; as in PyTorch it is less than the stride or the dilation."""
    extra = _check.pair(output_padding, "output_padding", 0)
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation)):
        raise ValueError(f"output_padding must be less than stride or dilation, got {extra} for "
                         f"stride {stride} and dilation {dilation}")
    return extra


def _winograd(plan):
    return _algorithm.choose("auto", plan.winograd)


def _with_more(x, more):
    return x if more == (0, 0) else zero_pad2d(x, (0, more[1], 0, more[0]))
