"""Convolution: `conv2d` and its gradients."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..kernels import conv as kernel
from ..kernels import conv_weight as weight_kernel
from ..kernels import strips, strips_weight, winograd, winograd_weight
from ..kernels.cpu import threads_for
from . import _algorithm, _check
from ._check import option
from ._format import from_nhwc, is_channels_last, to_nhwc
from ._memory import empty
from .pool import SQUARE, WINNERS, maximum, spread_winners

_FORWARD = _check.by_dtype(kernel.forward)
_INPUT_GRADIENT = _check.by_dtype(kernel.input_gradient)
_WEIGHT_GRADIENT = _check.by_dtype(weight_kernel.weight_gradient)
_STRIPS_FORWARD = _check.by_dtype(strips.forward)
_STRIPS_INPUT_GRADIENT = _check.by_dtype(strips.input_gradient)
_STRIPS_WEIGHT_GRADIENT = _check.by_dtype(strips_weight.weight_gradient)


class Geometry(NamedTuple):
    """What the shapes of a convolution come to, checked."""

    out_shape: tuple        # of y: (N, K, OH, OW)
    options: tuple          # stride, zeros above and left, dilation (each a pair), then groups
    work: int               # multiply-adds of one pass
    winograd: bool          # whether Winograd's algorithm is faster; None: not possible


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, algorithm="auto"):
    r"""Two-dimensional convolution (cross-correlation, as everywhere in this field).

    .. math::
        y[n, k, h, w] = bias[k] + \sum_{c, u, v} weight[k, c, u, v] \,
            x[n, c, h s_h - p_h + u d_h, w s_w - p_w + v d_w]

    where `x` counts as zero outside the image and `c` runs over the channels of k's group.

    Parameters
    ----------
    x : array (N, C, H, W)
        Images, float32 or float64, any strides. Integers and float16 are converted to float32.
    weight : array (K, C / groups, kH, kW)
        Of the same type as `x`.
    bias : array (K,), optional
    stride, dilation : int or pair of int
        Vertical and horizontal, at least 1.
    padding : int, pair of int, "same" or "valid"
        Rows and columns of zeros on each side. "same" (stride 1 only) gives y the size of x; where
        the zeros cannot be shared equally, the right and the lower side get the odd one. A zero of
        the padding times an infinite weight is NaN.
    groups : int
        Splits the channels: group i of the outputs sees group i of the inputs alone.
    algorithm : {"auto", "direct", "winograd"}
        "direct" adds up the products of the formula. "winograd" needs a quarter of the
        multiplications or fewer; it is for float32, kernels of 3 x 3 and 5 x 5, stride 1, dilation 1
        and one group. Its rounding errors are larger (see ``docs/accuracy.md``), and a NaN or an
        infinity in `x` reaches all of the 4 x 4 outputs that are computed with it. "auto" takes the
        faster one for these shapes, unless :class:`cycnn.convolution_algorithm` says otherwise.

    Returns
    -------
    array (N, K, OH, OW)
        ``OH = (H + 2 p_h - d_h (kH - 1) - 1) // s_h + 1``, likewise OW; of the type and memory
        format (NCHW or channels last) of `x`.

    Raises
    ------
    ValueError, TypeError
        If the shapes, types or options do not fit together.
    """
    x, weight, geometry = check(x, weight, stride, padding, dilation, groups)
    bias = check_bias(bias, weight)
    y, _ = forward(x, weight, bias, geometry,
                   _algorithm.choose(algorithm, x.dtype, geometry.winograd))
    return from_nhwc(y, is_channels_last(x))


def conv2d_backward(dy, x, weight, bias=False, stride=1, padding=0, dilation=1, groups=1,
                    input_gradient=True, weight_gradient=True, algorithm="auto"):
    r"""Gradients of :func:`conv2d`.

    .. math::
        dweight[k, c, u, v] = \sum_{n, h, w} dy[n, k, h, w] \,
            x[n, c, h s_h - p_h + u d_h, w s_w - p_w + v d_w],
        \qquad dbias[k] = \sum_{n, h, w} dy[n, k, h, w],

    and dx gathers, for each pixel of x, dy times weight over all outputs that the pixel reached.

    Parameters
    ----------
    dy : array (N, K, OH, OW)
        The gradient of the loss with respect to the result of `conv2d`.
    x, weight, stride, padding, dilation, groups, algorithm
        As they were given to `conv2d`.
    bias : bool
        Whether to compute the gradient of the bias.
    input_gradient : bool
        Whether to compute the gradient of `x`, which a network's first layer does not need.
    weight_gradient : bool
        Whether to compute those of `weight` and bias, which a frozen layer does not need.

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
    x, weight, geometry = check(x, weight, stride, padding, dilation, groups)
    dy = _check.floats(dy, "dy", 4, x.dtype)
    _check.shape(dy, geometry.out_shape, "dy", "that of conv2d's result")
    dx, dweight, dbias = backward(to_nhwc(dy), x, weight, geometry,
                                  _algorithm.choose(algorithm, x.dtype, geometry.winograd),
                                  bias, input_gradient, weight_gradient)
    if input_gradient:
        dx = from_nhwc(dx, is_channels_last(x))
    return dx, dweight, dbias


def forward(x, weight, bias, geometry, use_winograd, relu=False, pooled=False, want_winners=False):
    """:func:`conv2d`, then ReLU and a 2 x 2 max-pool if wanted, for checked arguments.

    Returns y (N, OH, OW, K), half as high and wide behind the pool, and its winners or None.
    """
    n, k, oh, ow = geometry.out_shape
    in_strips = n and not use_winograd and _algorithm.forward_in_strips(
        *_shapes(x, weight, geometry), pooled)
    fused = pooled and (use_winograd or in_strips)
    y = empty((n, oh // 2, ow // 2, k) if fused else (n, oh, ow, k), x.dtype)
    winners = empty(y.shape, WINNERS) if fused and want_winners else None
    if n:
        x, weight, threads = to_nhwc(x), np.ascontiguousarray(weight), threads_for(geometry.work)
        if use_winograd:
            winograd.forward(x, weight, bias, y, winners, oh, ow, *geometry.options[2:4], relu,
                             fused, threads)
        elif in_strips:
            _STRIPS_FORWARD[x.dtype](x, weight, bias, y, winners, oh, ow, *geometry.options, relu,
                                     fused, threads)
        else:
            _FORWARD[x.dtype](x, weight, bias, y, *geometry.options, relu and not pooled, threads)
    if pooled and not fused:
        y, winners = maximum(y, (oh // 2, ow // 2), SQUARE, want_winners, relu)
    return y, winners


def backward(dy, x, weight, geometry, use_winograd, bias, input_gradient, weight_gradient=True,
             masked=False, winners=None):
    """:func:`conv2d_backward` for checked arguments: dy (N, OH, OW, K), dx (N, H, W, C).

    With `masked`, dx is 0 where x is not above 0: the backward pass of a ReLU that made x. With
    `winners`, dy is the gradient behind the 2 x 2 max-pool that made them.
    """
    n, c, h, w = x.shape
    shapes = _shapes(x, weight, geometry)
    threads = threads_for(geometry.work)
    weight_in_strips = n and not use_winograd and _algorithm.weight_gradient_in_strips(*shapes)
    input_in_strips = n and not use_winograd and _algorithm.input_gradient_in_strips(*shapes)
    if winners is not None and not (
            _algorithm.whole_vectors(len(weight)) if use_winograd else
            weight_in_strips >= weight_gradient and input_in_strips >= input_gradient):
        dy, winners = spread_winners(dy, winners, geometry.out_shape, SQUARE), None
    x, size = to_nhwc(x), geometry.out_shape[2:]
    dx = dweight = dbias = None
    if weight_gradient:
        new = empty if n else np.zeros          # without images, every sum is empty
        dweight = new(weight.shape, x.dtype)
        dbias = new((len(weight),), x.dtype) if bias else None
        if not n:
            pass
        elif use_winograd:
            winograd_weight.weight_gradient(x, dy, winners, dweight, dbias, *size,
                                            *geometry.options[2:4], threads)
        elif weight_in_strips:
            _STRIPS_WEIGHT_GRADIENT[x.dtype](x, dy, winners, dweight, dbias, *size,
                                             *geometry.options, threads)
        else:
            _WEIGHT_GRADIENT[x.dtype](x, dy, dweight, dbias, *geometry.options, threads)
    if input_gradient:
        dx = empty((n, h, w, c), x.dtype)
        weight = np.ascontiguousarray(weight)
        positive = x if masked else None
        if not n:
            pass
        elif use_winograd:
            winograd.input_gradient(dy, winners, weight, dx, positive, *size,
                                    *geometry.options[2:4], threads)
        elif input_in_strips:
            _STRIPS_INPUT_GRADIENT[x.dtype](dy, winners, weight, dx, positive, *size,
                                            *geometry.options, threads)
        else:
            _INPUT_GRADIENT[x.dtype](dy, weight, dx, positive, *geometry.options, threads)
    return dx, dweight, dbias


def _shapes(x, weight, geometry):
    """What the choice between the direct kernels depends on."""
    return geometry.out_shape, x.shape, weight.shape, geometry.options, x.itemsize


def check(x, weight, stride, padding, dilation, groups):
    """(x, weight, Geometry) of a convolution, checked."""
    x = _check.floats(x, "x", 4)
    weight = _check.floats(weight, "weight", 4, x.dtype)
    return x, weight, _geometry(
        x.shape, weight.shape, option(stride, "stride", 1), option(padding, "padding", 0),
        option(dilation, "dilation", 1),
        groups if type(groups) is int else _check.integer(groups, "groups", 1))


def check_bias(bias, weight):
    if bias is None:
        return None
    bias = np.ascontiguousarray(_check.floats(bias, "bias", 1, weight.dtype))
    _check.shape(bias, weight.shape[:1], "bias", "one number an output channel")
    return bias


@lru_cache(maxsize=512)
def _geometry(x_shape, weight_shape, stride, padding, dilation, groups):
    """Check shapes and options; the same ones come again at every step, so they are remembered."""
    n, c, h, w = x_shape
    k, c_group, kernel_h, kernel_w = weight_shape
    groups = _check.integer(groups, "groups", 1)
    if 0 in weight_shape:
        raise ValueError(f"weight must have no empty dimension, got shape {weight_shape}")
    if c == 0 or c % groups or c_group * groups != c:
        raise ValueError(
            f"weight of shape {weight_shape} with groups={groups} takes {c_group * groups} input "
            f"channels, but x of shape {x_shape} has {c}; weight must have shape "
            "(out_channels, in_channels / groups, kH, kW)")
    if k % groups:
        raise ValueError(f"groups must divide the {k} output channels of weight, got {groups}")
    stride_h, stride_w = stride = _check.pair(stride, "stride", 1)
    dilation_h, dilation_w = dilation = _check.pair(dilation, "dilation", 1)
    top, bottom, left, right = _padding(padding, stride, dilation, weight_shape)
    reach_h, reach_w = dilation_h * (kernel_h - 1) + 1, dilation_w * (kernel_w - 1) + 1
    if h + top + bottom < reach_h or w + left + right < reach_w or h * w == 0:
        raise ValueError(
            f"kernel_size {kernel_h} x {kernel_w} with dilation {dilation} covers {reach_h} x "
            f"{reach_w} pixels, more than x of {h} x {w} with padding {padding!r}: "
            "the output would be empty")
    out_h = (h + top + bottom - reach_h) // stride_h + 1
    out_w = (w + left + right - reach_w) // stride_w + 1
    _check.size((n, k, out_h, out_w), "the output of conv2d")
    _check.size((c, (out_w - 1) * stride_w + reach_w, reach_h), "x with its padding")
    out_shape = (n, k, out_h, out_w)
    return Geometry(out_shape, (*stride, top, left, *dilation, groups),
                    n * k * out_h * out_w * c_group * kernel_h * kernel_w,
                    _algorithm.winograd_pays(out_shape, weight_shape, stride, dilation, groups))


def _padding(padding, stride, dilation, weight_shape):
    """Zeros above, below, left and right."""
    if isinstance(padding, str):
        if padding == "valid":
            return 0, 0, 0, 0
        if padding != "same":
            raise ValueError(f'padding must be an integer, a pair, "same" or "valid", '
                             f"got {padding!r}")
        if stride != (1, 1):
            raise ValueError(f'padding="same" needs stride 1, got stride {stride}')
        total_h, total_w = (d * (size - 1) for d, size in zip(dilation, weight_shape[2:]))
        return total_h // 2, total_h - total_h // 2, total_w // 2, total_w - total_w // 2
    vertical, horizontal = _check.pair(padding, "padding", 0)
    return vertical, vertical, horizontal, horizontal
