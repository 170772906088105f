"""Pooling: the maximum.

Images in planes (channels first) are pooled as they lie, each plane an image of one channel; the
result has the memory format of the argument.
"""

import functools

import numpy as np

from ..kernels import cpu
from ..kernels import pooling as kernels
from . import _check, _format
from ._memory import empty, maker
from ._windows import images_of, options_of, rows_of, sizes_of, window_geometry, window_of


_INT32, _INT64 = np.dtype(np.int32), np.dtype(np.int64)

#: What a window that is not very large remembers, and the options (see window_geometry) of the pool
#: that convolutions can end with: 2 x 2, side by side.
WINNERS = np.dtype(np.uint8)
SQUARE = (2, 2, 2, 2, 0, 0, 1, 1)


def max_pool2d(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False,
               return_indices=False):
    """The maximum of each window; NaN counts as the largest number.

    Parameters
    ----------
    x : array_like, shape (N, C, H, W)
        float32 or float64 (integers and float16 become float32), any strides.
    kernel_size : int or pair of int
        Height and width of the window.
    stride : int or pair of int, optional
        From one window to the next; `kernel_size` if not given.
    padding : int or pair of int, optional
        Border of minus infinity on every side, at most half of `kernel_size`.
    dilation : int or pair of int, optional
        Distance between the pixels of a window.
    ceil_mode : bool, optional
        Keep a last window that sticks out, if it begins within the image or the padding before it.
    return_indices : bool, optional
        Also return where the maxima are.

    Returns
    -------
    y : ndarray, shape (N, C, OH, OW)
        OH = floor((H + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1, in ceil_mode
        ceil(...) + 1. In the memory format of `x`.
    indices : ndarray of int64, shape (N, C, OH, OW)
        Only with `return_indices`: row * W + column of the first maximum (of the last NaN, where
        there is one), as PyTorch's.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, or the result would be empty.
    """
    x = _check.floats(x, "x", 4)
    out, geometry = window_geometry(x.shape, kernel_size, stride, padding, dilation, ceil_mode)
    planes = not _format.is_channels_last(x)
    rows = rows_of(x, planes)
    y, winners = maximum(rows, max_plan(rows.shape, rows.dtype, out, geometry), return_indices)
    if not return_indices:
        return images_of(y, planes, x.shape)
    indices = empty(y.shape, _INT64)
    if y.size:
        kernels.winners_to_indices(winners, indices, geometry, x.shape[2], x.shape[3],
                                   cpu.threads_for(y.size * 8))
    return images_of(y, planes, x.shape), images_of(indices, planes, x.shape)


def max_pool2d_backward(dy, indices, input_size):
    """The gradient of :func:`max_pool2d`: each number of dy, added up where `indices` says.

    Parameters
    ----------
    dy : array_like, shape (N, C, OH, OW)
        Gradient of the result.
    indices : array_like of int, shape (N, C, OH, OW)
        As :func:`max_pool2d` returned them.
    input_size : tuple of int
        (N, C, H, W) or (H, W) of the argument.

    Returns
    -------
    ndarray, shape (N, C, H, W)
        In the memory format of `dy`.

    Raises
    ------
    TypeError
        If `indices` are no integers.
    ValueError
        If an index lies outside the image, or a shape does not fit.
    """
    dy = _check.floats(dy, "dy", 4)
    indices = np.asarray(indices)
    if indices.dtype != np.int64:
        indices = _check.integers(indices, "indices", 4)
    _check.shape(indices, dy.shape, "indices", "that of dy")
    _, _, h, w = input_size = sizes_of(input_size, dy)
    planes = not _format.is_channels_last(dy)
    dy, indices = rows_of(dy, planes), rows_of(indices, planes)
    _check.in_range(indices, h * w, "indices", f"the pixels of an image of {h} x {w}")
    dx = empty((dy.shape[0], h, w, dy.shape[3]), dy.dtype)
    if not dy.size:
        dx[...] = 0
    elif dx.size:
        kernels.scatter(dy, indices, dx, cpu.threads_for((dx.size + dy.size) * 8))
    return images_of(dx, planes, input_size)


def max_pool2d_with_winners(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """:func:`max_pool2d` for use inside layers: with a byte for each result instead of an index.

    Parameters
    ----------
    x : ndarray, shape (N, C, H, W), channels-last memory
        Of any other memory, a copy is made.

    Returns
    -------
    y : ndarray, shape (N, C, OH, OW), channels-last memory
    winners : ndarray, shape (N, OH, OW, C)
        Which pixel of its window won, counted row by row: uint8, or int32 for more than 255 pixels.
    """
    x = _check.floats(x, "x", 4)
    out, geometry = window_geometry(x.shape, kernel_size, stride, padding, dilation, ceil_mode)
    rows = _format.to_nhwc(x)
    y, winners = maximum(rows, max_plan(rows.shape, rows.dtype, out, geometry), True)
    return y.transpose(0, 3, 1, 2), winners


def max_pool2d_winners_backward(dy, winners, input_size, kernel_size, stride=None, padding=0,
                                dilation=1):
    """The gradient of :func:`max_pool2d_with_winners`, called with the same arguments.

    Parameters
    ----------
    dy : ndarray, shape (N, C, OH, OW)
        Gradient of the result.
    winners : ndarray, shape (N, OH, OW, C)
        As they were returned: they are trusted.
    input_size : tuple of int
        (N, C, H, W) of the argument.

    Returns
    -------
    ndarray, shape (N, C, H, W), channels-last memory
    """
    dy = check_gradient(dy, winners)
    return spread_winners(dy, winners, input_size, window_of(*options_of(
        kernel_size, stride, padding, dilation))).transpose(0, 3, 1, 2)


def check_gradient(dy, winners):
    """The gradient of the maxima, checked, as (N, OH, OW, C)."""
    dy = _check.floats(dy, "dy", 4)
    n, oh, ow, c = winners.shape
    _check.shape(dy, (n, c, oh, ow), "dy", "that of the result")
    return _format.to_nhwc(dy)


def spread_winners(dy, winners, input_size, geometry):
    """The gradient (N, H, W, C) before a max-pool from that of its result, (N, OH, OW, C)."""
    n, c, h, w = input_size
    dx = empty((n, h, w, c), dy.dtype)
    if dx.size:
        kernels.max_pool_backward(dy, winners, dx, geometry, cpu.threads_for(dx.size * 8))
    return dx


def winners_for(geometry):
    """The type of the winners of a window with these options."""
    return WINNERS if geometry[0] * geometry[1] <= kernels.MOST_BYTE_PIXELS else _INT32


class MaxPlan:
    """What the shape, the type and the options of a maximum come to: decided once.

    Attributes
    ----------
    geometry : tuple
        The options as the kernels take them.
    work : int
        As cpu.threads_for takes it; 0 if the result is empty.
    new_y, new_winners
        What makes the arrays to be filled.
    """

    def __init__(self, shape, dtype, out, geometry):
        n, h, w, channels = shape
        self.geometry = geometry
        self.work = 8 * n * h * w * channels
        self.new_y = maker((n, *out, channels), dtype)
        self.new_winners = maker((n, *out, channels), winners_for(geometry))


max_plan = functools.lru_cache(maxsize=512)(MaxPlan)


def maximum(x, plan, want_winners, relu=False):
    """The maxima of images (N, H, W, C), and the winners (None if not wanted).

    With `relu`, for windows of 2 x 2 without padding, the maxima pass a ReLU, and the winner of a
    window with nothing above 0 is 4: no pixel.
    """
    y = plan.new_y()
    winners = plan.new_winners() if want_winners else None
    if plan.work:
        kernels.max_pool(x, y, winners, plan.geometry, relu, cpu.threads_for(plan.work))
    return y, winners
