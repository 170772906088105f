"""Images of another size: adaptive average pooling and nearest-neighbour scaling.

Images in planes (channels first) are worked on as they lie, each plane an image of one channel; the
result has the memory format of the argument.
"""

import functools
import math

import numpy as np

from ..kernels import cpu
from ..kernels import resample as kernels
from . import _check
from ._format import is_channels_last
from ._memory import empty
from ._windows import images_of, rows_of, sizes_of


def adaptive_avg_pool2d(x, output_size):
    r"""The mean of each of OH x OW rectangles that the image is divided into.

    Row i of the result is that of rows :math:`\lfloor i H / OH \rfloor` to
    :math:`\lceil (i + 1) H / OH \rceil - 1`; likewise the columns.

    Parameters
    ----------
    x : array_like, shape (N, C, H, W)
        float32 or float64 (integers and float16 become float32), any strides, at least one pixel.
    output_size : int or pair of int or None
        (OH, OW); None: as x has.

    Returns
    -------
    ndarray, shape (N, C, OH, OW)
        In the memory format of `x`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, or there is no pixel.
    """
    x = _check.floats(x, "x", 4)
    rows, columns = _parts(_with_pixels(x), adaptive_size(output_size))
    return _sum(x, rows, columns, rows.shares, columns.shares, False)


def adaptive_avg_pool2d_backward(dy, input_size, output_size=None):
    """The gradient of :func:`adaptive_avg_pool2d`.

    Parameters
    ----------
    dy : array_like, shape (N, C, OH, OW)
        Gradient of the result.
    input_size : tuple of int
        (N, C, H, W) or (H, W) of the argument.
    output_size : int or pair of int or None, optional
        As for :func:`adaptive_avg_pool2d`; that of `dy` if not given.

    Returns
    -------
    ndarray, shape (N, C, H, W)
        In the memory format of `dy`.
    """
    dy = _check.floats(dy, "dy", 4)
    n, c, h, w = sizes_of(input_size, dy)
    size = _check.pair(dy.shape[2:], "the size of dy", 1) if output_size is None \
        else adaptive_size(output_size)
    rows, columns = _parts((n, c, h, w), size)
    _check.shape(dy, (n, c, rows.size, columns.size), "dy", "that of the result")
    return _sum(dy, rows.back, columns.back, rows.shares, columns.shares, True)


def interpolate(x, size=None, scale_factor=None, mode="nearest"):
    r"""Images scaled up or down: each pixel is that of x whose corner is nearest above and left.

    .. math::
        y[n, c, i, j] = x[n, c, \lfloor i s_h \rfloor, \lfloor j s_w \rfloor]

    with :math:`s = 1 / scale\_factor`, or H / OH where the size is given.

    Parameters
    ----------
    x : array_like, shape (N, C, H, W)
        float32 or float64 (integers and float16 become float32), any strides, at least one pixel.
    size : int or pair of int, optional
        (OH, OW).
    scale_factor : float or pair of float, optional
        Instead of `size`: OH = floor(H * scale_factor). Above 0.
    mode : {"nearest"}
        PyTorch's other modes are not there.

    Returns
    -------
    ndarray, shape (N, C, OH, OW)
        In the memory format of `x`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, not one of size and scale_factor is given, or the
        result would be empty.
    """
    x = _check.floats(x, "x", 4)
    rows, columns = _nearest(_with_pixels(x), *check_scale(size, scale_factor, mode))
    return _sum(x, rows, columns, rows.shares, columns.shares, False)


def interpolate_backward(dy, input_size, size=None, scale_factor=None, mode="nearest"):
    """The gradient of :func:`interpolate`, called with the same arguments.

    Parameters
    ----------
    dy : array_like, shape (N, C, OH, OW)
        Gradient of the result.
    input_size : tuple of int
        (N, C, H, W) or (H, W) of the argument.
    size, scale_factor, mode
        As for :func:`interpolate`.

    Returns
    -------
    ndarray, shape (N, C, H, W)
        In the memory format of `dy`: for each pixel the sum over those that it became.
    """
    dy = _check.floats(dy, "dy", 4)
    n, c, h, w = sizes_of(input_size, dy)
    rows, columns = _nearest((n, c, h, w), *check_scale(size, scale_factor, mode))
    _check.shape(dy, (n, c, rows.size, columns.size), "dy", "that of the result")
    return _sum(dy, rows.back, columns.back, rows.shares, columns.shares, True)


# --- which rows and columns ----------------------------------------------------------------------

class _Axis:
    """For each position of the result the first of its source and the last but one.

    Attributes
    ----------
    ranges : array of int64, (2, size)
    shares : array of float64, (size,)
        What a sum over that range is multiplied by.
    back : array of int64, (2, source size)
        For each position of the source the range of those of the result that it is part of.
    """

    def __init__(self, begin, end, source, shares):
        self.size = len(begin)
        self.ranges = np.stack([begin, end]).astype(np.int64)
        self.shares = np.asarray(shares, np.float64)
        # Both ends never decrease, so what a source position is part of has no gaps.
        at = np.arange(source)
        self.back = np.stack([np.searchsorted(end, at, "right"),
                              np.searchsorted(begin, at, "right")]).astype(np.int64)


@functools.lru_cache(maxsize=256)
def _adaptive_axis(source, size):
    at = np.arange(size)
    begin, end = at * source // size, -(-(at + 1) * source // size)
    return _Axis(begin, end, source, 1 / (end - begin))


@functools.lru_cache(maxsize=256)
def _nearest_axis(source, size, scale):
    """PyTorch's arithmetic, in float32."""
    at = np.arange(size)
    if size == source:
        begin = at
    elif size == 2 * source:
        begin = at // 2
    else:
        step = np.float32(1 / scale) if scale else np.float32(source) / np.float32(size)
        begin = np.minimum(np.floor(at.astype(np.float32) * step).astype(np.int64), source - 1)
    return _Axis(begin, begin + 1, source, np.ones(size))


def _parts(shape, size):
    """The rows and the columns of a result of this size from images of `shape`, (N, C, H, W)."""
    size = tuple(source if out is None else out for source, out in zip(shape[2:], size))
    _check_result(shape, size)
    return tuple(map(_adaptive_axis, shape[2:], size))


def _nearest(shape, size, scale):
    h, w = shape[2:]
    if size is None:
        size = tuple(math.floor(source * factor) for source, factor in zip((h, w), scale))
        if min(size) < 1:
            raise ValueError(f"scale_factor must leave at least one pixel, got {scale} for an "
                             f"image of {h} x {w}")
        _check.pair(size, "the size by scale_factor", 1)
    _check_result(shape, size)
    return tuple(map(_nearest_axis, (h, w), size, scale or (None, None)))


def _check_result(shape, size):
    """Raise, before there is anything of its size, if the result could not be held in memory."""
    _check.size((max(shape[0], 1), max(shape[1], 1), *size), "the result")


# --- checks --------------------------------------------------------------------------------------

def adaptive_size(output_size):
    """`output_size` as a pair, in which None stands for the size of x."""
    if isinstance(output_size, (tuple, list)):
        if len(output_size) != 2:
            raise ValueError(f"output_size must be one integer or a pair, got {output_size!r}")
        return tuple(out if out is None else _check.integer(out, "output_size", 1)
                     for out in output_size)
    return (None, None) if output_size is None else _check.pair(output_size, "output_size", 1)


def check_scale(size, scale_factor, mode):
    """(size, scale_factor) as pairs, one of them None."""
    if mode != "nearest":
        raise ValueError(f"mode must be 'nearest', got {mode!r}")
    if (size is None) == (scale_factor is None):
        raise ValueError("one of size and scale_factor must be given, got "
                         f"size={size!r} and scale_factor={scale_factor!r}")
    if size is not None:
        return _check.pair(size, "size", 1), None
    factors = scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor,) * 2
    if len(factors) != 2:
        raise ValueError(f"scale_factor must be one number or a pair, got {scale_factor!r}")
    factors = tuple(_check.number(factor, "scale_factor", 0) for factor in factors)
    if min(factors) == 0:
        raise ValueError(f"scale_factor must be above 0, got {scale_factor!r}")
    return None, factors


def _with_pixels(x):
    if not x.shape[2] * x.shape[3]:
        raise ValueError(f"x must have at least one pixel, got shape {x.shape}")
    return x.shape


def _sum(x, rows, columns, row_weights, column_weights, of_source):
    """`rows` and `columns` are an _Axis each, or in the backward pass their `back`."""
    rows, columns = (axis if of_source else axis.ranges for axis in (rows, columns))
    planes = not is_channels_last(x)
    source = rows_of(x, planes)
    out = rows.shape[1], columns.shape[1]
    y = empty((source.shape[0], *out, source.shape[3]), x.dtype)
    if y.size:
        kernels.sum_rectangles(source, y, rows, columns, row_weights, column_weights, of_source,
                               x.itemsize, cpu.threads_for(max(x.size, y.size) * 8))
    return images_of(y, planes, x.shape)
