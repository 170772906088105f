"""The memory format of images: channels last inside, as it came at the boundary.

Public arrays have the logical shape (N, C, H, W). The kernels take the same numbers as (N, H, W, C)
in C order. An array whose memory already runs that way ("channels last") is passed on as a view,
any other is copied once; the result goes back in the format that the input had.
"""

import numpy as np

from ..kernels import cpu, layout
from . import _check
from ._memory import empty


def is_channels_last(x):
    """Whether the memory of `x`, (N, C, H, W), runs N, H, W, C rather than N, C, H, W.

    With one channel the two are the same memory; then the strides say which one was meant.
    """
    _, channel, _, column = x.strides
    if x.shape[1] == 1:
        return channel == x.itemsize and x.shape[2] * x.shape[3] > 1
    return abs(channel) < abs(column)


def to_nhwc(x):
    """(N, C, H, W) in any strides -> (N, H, W, C) in C order; a view where the memory allows."""
    view = x.transpose(0, 2, 3, 1)
    if view.flags.c_contiguous:
        return view
    if x.flags.c_contiguous and x.dtype in _check.FLOATS:
        n, c, h, w = x.shape
        return _transpose(x, n, c, h * w, (n, h, w, c))
    return np.ascontiguousarray(view)


def to_nchw(x, shape=None):
    """(N, C, H, W) in any strides -> the same in C order; a view where the memory allows.

    Of another `shape`, if that is given.
    """
    if not x.flags.c_contiguous:
        view = x.transpose(0, 2, 3, 1)
        if view.flags.c_contiguous and x.dtype in _check.FLOATS:
            n, c, h, w = x.shape
            return _transpose(view, n, h * w, c, shape or x.shape)
        x = np.ascontiguousarray(x)
    return x.reshape(shape) if shape else x


def from_nhwc(y, channels_last):
    """(N, H, W, C) in C order -> (N, C, H, W), as a view if `channels_last`, else in C order."""
    view = y.transpose(0, 3, 1, 2)
    if channels_last:
        return view
    n, h, w, c = y.shape
    return y.reshape(n, c, h, w) if c == 1 or h * w == 1 else to_nchw(view)


def channels_last(x):
    """`x`, (N, C, H, W), with channels-last memory: itself, a view, or a copy."""
    rows = x.transpose(0, 2, 3, 1)
    if is_channels_last(x) and rows.flags.c_contiguous:
        return x
    rows = to_nhwc(x)
    n, h, w, c = rows.shape
    if c == 1:
        # The same memory serves both formats: what says "channels last" is the channel's stride,
        # which NumPy makes anew with a new axis.
        rows = rows.reshape(n, h, w).reshape(n, h, w, 1)
    return rows.transpose(0, 3, 1, 2)


def _transpose(x, images, rows, columns, shape):
    """(images, rows, columns) in C order, in any shape -> (images, columns, rows), in `shape`."""
    y = empty(shape, x.dtype)
    if x.size:
        layout.transpose(x, y, images, rows, columns, cpu.threads_for(x.size * 8))
    return y
