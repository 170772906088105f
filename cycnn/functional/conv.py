"""Convolution: `conv2d` and its gradients."""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..kernels import convolution as kernel
from ..kernels.cpu import threads_for
from . import _algorithm, _check, _winograd_strips
from ._check import option
from ._format import from_nhwc, is_channels_last, to_nhwc
from ._memory import maker
from ._untied import UNTIED, add_positions, position_sums
from .pool import SQUARE, maximum, spread_winners

# The families of kernels, along channels and in strips of images: direct ones, Winograd's.
_DIRECT = kernel.DIRECT, kernel.STRIPS
_WINOGRAD = kernel.WINOGRAD, kernel.STRIPS_WINOGRAD


class Kernels(NamedTuple):
    """What computes one pass.

    Attributes
    ----------
    family : int
        As `kernels/convolution.pxd` numbers them.
    pools : bool
        Whether they take the 2 x 2 max-pool behind the convolution along: compute it, or start from
        the gradient behind it.
    """

    family: int
    pools: bool


class Passes(NamedTuple):
    """Kernels of each pass: (the direct ones, Winograd's)."""

    forward: tuple
    input_gradient: tuple
    weight_gradient: tuple


class Plan:
    """What the shapes, the type and the options of a convolution come to: decided once.

    Attributes
    ----------
    rows : tuple
        The shape of y as the kernels make it, (N, OH, OW, K).
    out_shape : tuple
        Of y: (N, K, OH, OW).
    dtype : numpy.dtype
    options : tuple
        Stride, zeros above and left, dilation (each a pair), then groups.
    work : int
        Multiply-adds of one pass.
    winograd : _algorithm.Winograd or None
        For which passes Winograd's algorithm is faster; None: not possible.
    kernels : Passes
    window : tuple
        What kernels are told of the shapes: OH, OW, options.
    new_y, new_dx, new_dweight, new_dbias
        What makes the arrays to be filled.
    pool : pool.MaxPlan or None
        That of the pool behind it, in a chain; made when it is first needed.
    """

    pool = None

    def __init__(self, x_shape, weight_shape, dtype, out_shape, options):
        n, c, h, w = x_shape
        _, k, oh, ow = out_shape
        self.rows, self.out_shape = (n, oh, ow, k), out_shape
        self.dtype, self.options = dtype, options
        self.window = (oh, ow, *options)
        self.work = n * oh * ow * math.prod(weight_shape)
        shapes = out_shape, x_shape, weight_shape, options, dtype.itemsize
        self.winograd = _algorithm.winograd_pays(*shapes)
        self.kernels = self.choose_kernels(shapes)
        self.new_y, self.new_dx = maker(self.rows, dtype), maker((n, h, w, c), dtype)
        new = None if n else np.zeros           # without images, every sum is empty
        self.new_dweight, self.new_dbias = maker(weight_shape, dtype, new), maker((k,), dtype, new)

    def choose_kernels(self, shapes):
        """Those whose vectors run along channels, or along strips of images; for each pass."""
        (n, k, *_), (_, c, *_), _, options, itemsize = shapes
        tiles, best = _winograd_strips.passes(*shapes, self.winograd is not None)
        if any(best):
            self.winograd = _algorithm.Winograd(*map(max, self.winograd, best))
        # Without images no kernel is called.
        forward, input_gradient, weight_gradient = (n > 0 and in_strips(*shapes) for in_strips in (
            _algorithm.forward_in_strips, _algorithm.input_gradient_in_strips,
            _algorithm.weight_gradient_in_strips))
        depthwise = c == k == options[-1] > 1
        whole = _algorithm.whole_vectors(k, itemsize)
        return Passes(
            (Kernels(_DIRECT[forward], not depthwise), Kernels(_WINOGRAD[tiles.forward], True)),
            (Kernels(_DIRECT[input_gradient], input_gradient),
             Kernels(_WINOGRAD[tiles.input_gradient], tiles.input_gradient or whole)),
            (Kernels(_DIRECT[weight_gradient], weight_gradient),
             Kernels(_WINOGRAD[tiles.weight_gradient], tiles.weight_gradient or whole)))

    def families(self, by_winograd):
        """The family of each pass's kernels."""
        return [kernels[wanted].family for kernels, wanted in zip(self.kernels, by_winograd)]


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
    bias : array (K,) or (K, OH, OW), optional
        One number an output channel, or (untied) one an output position: then bias[k, h, w] stands
        for bias[k].
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
        multiplications or fewer; it is for kernels of 3 x 3 and 5 x 5, stride 1, dilation 1 and
        one group. Its rounding errors are larger (see ``docs/accuracy.md``), and a NaN or an
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
    x, weight, plan = check(x, weight, stride, padding, dilation, groups)
    bias = check_bias(bias, weight, x, plan)
    y, _ = forward(to_nhwc(x), weight, bias, plan,
                   _algorithm.choose(algorithm, plan.winograd))
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
    bias : {False, True, "untied"}
        Whether to compute the gradient of the bias: one number an output channel, or "untied" for
        one an output position, ``dbias[k, h, w]``, the sum over the images alone.
    input_gradient : bool
        Whether to compute the gradient of `x`, which a network's first layer does not need.
    weight_gradient : bool
        Whether to compute those of `weight` and bias, which a frozen layer does not need.

    Returns
    -------
    dx : array of the shape and memory format of x, or None
    dweight : array of the shape of weight, or None
    dbias : array (K,), for an untied bias (K, OH, OW), or None

    Raises
    ------
    ValueError, TypeError
        If the shapes, types or options do not fit together.
    """
    x, weight, plan = check(x, weight, stride, padding, dilation, groups)
    dy = _check.floats(dy, "dy", 4, x.dtype)
    _check.shape(dy, plan.out_shape, "dy", "that of conv2d's result")
    bias = _check_kind(bias)
    dx, dweight, dbias = backward(to_nhwc(dy), to_nhwc(x), weight, plan,
                                  _algorithm.choose(algorithm, plan.winograd),
                                  bias, input_gradient, weight_gradient)
    if input_gradient:
        dx = from_nhwc(dx, is_channels_last(x))
    return dx, dweight, dbias


def forward(x, weight, bias, plan, by_winograd, relu=False, behind=None, want_winners=False):
    """:func:`conv2d`, then ReLU and a 2 x 2 max-pool if wanted, for checked arguments.

    x and the result are (N, H, W, C); `by_winograd` is what :func:`_algorithm.choose` said,
    `behind` the pool's MaxPlan. Returns the result and the pool's winners, or None.
    """
    if bias is not None and bias.ndim > 1:
        y, _ = forward(x, weight, None, plan, by_winograd)
        add_positions(y, bias, relu and behind is None)
        return (y, None) if behind is None else maximum(y, behind, want_winners, relu)
    kernels = plan.kernels.forward[by_winograd.forward]
    fused = behind is not None and kernels.pools
    y = (behind if fused else plan).new_y()
    winners = behind.new_winners() if fused and want_winners else None
    if plan.work:
        kernel.forward(kernels.family, x, weight, bias, y, winners, *plan.window,
                       relu and (fused or behind is None), fused, threads_for(plan.work))
    if behind is not None and not fused:
        y, winners = maximum(y, behind, want_winners, relu)
    return y, winners


def backward(dy, x, weight, plan, by_winograd, bias, input_gradient, weight_gradient=True,
             masked=False, winners=None):
    """:func:`conv2d_backward` for checked arguments: dy (N, OH, OW, K), x and dx (N, H, W, C).

    With `masked`, dx is 0 where x is not above 0: the backward pass of a ReLU that made x. With
    `winners`, dy is the gradient behind the 2 x 2 max-pool that made them.
    """
    if bias == UNTIED and weight_gradient:
        if winners is not None:
            dy = spread_winners(dy, winners, plan.out_shape, SQUARE)
        dx, dweight, _ = backward(dy, x, weight, plan, by_winograd, False, input_gradient,
                                  masked=masked)
        return dx, dweight, position_sums(dy)
    threads = threads_for(plan.work)
    for_weight = plan.kernels.weight_gradient[by_winograd.weight_gradient]
    for_input = plan.kernels.input_gradient[by_winograd.input_gradient]
    if winners is not None and (weight_gradient > for_weight.pools
                                or input_gradient > for_input.pools):
        dy, winners = spread_winners(dy, winners, plan.out_shape, SQUARE), None
    dx = dweight = dbias = None
    if weight_gradient:
        dweight = plan.new_dweight()
        dbias = plan.new_dbias() if bias else None
        if plan.work:
            kernel.weight_gradient(for_weight.family, x, dy, winners, dweight, dbias, *plan.window,
                                   threads)
    if input_gradient:
        dx = plan.new_dx()
        if plan.work:
            kernel.input_gradient(for_input.family, dy, winners, weight, dx, x if masked else None,
                                  *plan.window, threads)
    return dx, dweight, dbias


def check(x, weight, stride, padding, dilation, groups):
    """(x, weight in C order, Plan) of a convolution, checked."""
    x = _check.floats(x, "x", 4)
    weight = _check.dense(weight, "weight", 4, x.dtype)
    return x, weight, plan_for(
        x.shape, weight.shape, x.dtype, option(stride, "stride", 1), option(padding, "padding", 0),
        option(dilation, "dilation", 1),
        groups if type(groups) is int else _check.integer(groups, "groups", 1))


def check_bias(bias, weight, x, plan):
    """The bias in C order if its shape is one of the two that fit."""
    if bias is None:
        return None
    bias = _check.dense(bias, "bias", None, weight.dtype)
    if bias.shape != weight.shape[:1] and bias.shape != plan.out_shape[1:]:
        raise ValueError(f"bias must have shape {weight.shape[:1]} (one number an output channel) "
                         f"or {plan.out_shape[1:]} (untied: one an output position), got "
                         f"{bias.shape}{_fitting(bias, x, plan)}")
    return bias


def _fitting(bias, x, plan):
    """What x gives, and which images would give outputs of the size of an untied bias."""
    if bias.ndim != 3 or not bias.size:
        return ""
    size, out, wanted = x.shape[2:], plan.out_shape[2:], bias.shape[1:]
    text = f"; x of {_by(size)} gives an output of {_by(out)}"
    other = tuple(n + (w - o) * stride for n, w, o, stride in zip(size, wanted, out, plan.options))
    return text if out == wanted or min(other) < 1 else (
        f"{text}, x of {_by(other)} would give {_by(wanted)}")


def _by(size):
    return " x ".join(map(str, size))


def kind_of(bias):
    """What :func:`conv2d_backward` is told of a bias: False where there is none."""
    return bias is not None and (bias.ndim == 1 or UNTIED)


def _check_kind(bias):
    if isinstance(bias, str) and bias != UNTIED:
        raise ValueError(f'bias must be True, False or "{UNTIED}", got {bias!r}')
    if not isinstance(bias, (str, bool, int, np.bool_, type(None))):
        raise TypeError(f'bias must be True, False or "{UNTIED}" (which gradient to compute), got '
                        f"{type(bias).__name__}")
    return bias if isinstance(bias, str) else bool(bias)


@lru_cache(maxsize=512)
def plan_for(x_shape, weight_shape, dtype, stride, padding, dilation, groups):
    """The Plan, shapes and options checked; the same ones come again, so it is remembered."""
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
    return Plan(x_shape, weight_shape, dtype, (n, k, out_h, out_w),
                (*stride, top, left, *dilation, groups))


def smallest_output(kernel_size, stride, padding, dilation):
    """The height and width of the least output that images of some size give."""
    top, bottom, left, right = _padding(padding, stride, dilation, (1, 1, *kernel_size))
    return tuple(max(1, (1 + zeros - d * (kernel - 1) - 1) // s + 1) for zeros, d, kernel, s in zip(
        (top + bottom, left + right), dilation, kernel_size, stride))


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
