"""Pooling: the average of windows, and of whole images.

Images in planes (channels first) are pooled as they lie, each plane an image of one channel; the
result has the memory format of the argument.
"""

from ..kernels import cpu
from ..kernels import avg_pool as kernels
from . import _check, _format
from ._memory import empty
from ._windows import images_of, rows_of, sizes_of, window_geometry


def avg_pool2d(x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """The mean of each window.

    Parameters
    ----------
    x : array_like, shape (N, C, H, W)
        float32 or float64 (integers and float16 become float32), any strides.
    kernel_size : int or pair of int
        Height and width of the window.
    stride : int or pair of int, optional
        From one window to the next; `kernel_size` if not given.
    padding : int or pair of int, optional
        Border of zeros on every side, at most half of `kernel_size`.
    ceil_mode : bool, optional
        Keep a last window that sticks out, if it begins within the image or the padding before it.
    count_include_pad : bool, optional
        Whether the padding counts in the mean (what sticks out beyond it never does).

    Returns
    -------
    ndarray, shape (N, C, OH, OW)
        OH and OW as in :func:`max_pool2d`. In the memory format of `x`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, or the result would be empty.
    """
    x = _check.floats(x, "x", 4)
    out, geometry = window_geometry(x.shape, kernel_size, stride, padding, 1, ceil_mode)
    planes = not _format.is_channels_last(x)
    rows = rows_of(x, planes)
    y = empty((rows.shape[0], *out, rows.shape[3]), x.dtype)
    if y.size:
        kernels.average_pool(rows, y, geometry, bool(count_include_pad), x.itemsize,
                             cpu.threads_for(y.size * geometry[0] * geometry[1] * 4))
    return images_of(y, planes, x.shape)


def avg_pool2d_backward(dy, input_size, kernel_size, stride=None, padding=0, ceil_mode=False,
                        count_include_pad=True):
    """The gradient of :func:`avg_pool2d`, called with the same arguments.

    Parameters
    ----------
    dy : array_like, shape (N, C, OH, OW)
        Gradient of the result.
    input_size : tuple of int
        (N, C, H, W) or (H, W) of the argument.
    kernel_size, stride, padding, ceil_mode, count_include_pad
        As for :func:`avg_pool2d`.

    Returns
    -------
    ndarray, shape (N, C, H, W)
        In the memory format of `dy`.
    """
    dy = _check.floats(dy, "dy", 4)
    n, c, h, w = input_size = sizes_of(input_size, dy)
    out, geometry = window_geometry(input_size, kernel_size, stride, padding, 1, ceil_mode)
    _check.shape(dy, (n, c, *out), "dy", "that of the result")
    planes = not _format.is_channels_last(dy)
    dy = rows_of(dy, planes)
    dx = empty((dy.shape[0], h, w, dy.shape[3]), dy.dtype)
    if dx.size:
        kernels.average_pool_backward(dy, dx, geometry, bool(count_include_pad), dy.itemsize,
                                      cpu.threads_for(dy.size * geometry[0] * geometry[1] * 4))
    return images_of(dx, planes, input_size)


def global_avg_pool2d(x):
    """The mean of each channel over the whole image.

    Parameters
    ----------
    x : array_like, shape (N, C, H, W)
        At least one pixel.

    Returns
    -------
    ndarray, shape (N, C, 1, 1)
        In the memory format of `x`.
    """
    x = _check.floats(x, "x", 4)
    n, c, h, w = x.shape
    if not h * w:
        raise ValueError(f"x must have at least one pixel, got shape {x.shape}")
    planes = not _format.is_channels_last(x)
    rows = rows_of(x, planes)
    images, channels = rows.shape[0], rows.shape[3]
    y = empty((images, 1, 1, channels), x.dtype)
    if y.size:
        kernels.mean_pixels(rows, y, images, h * w, channels, x.itemsize,
                            cpu.threads_for(x.size * 8))
    return images_of(y, planes, x.shape)


def global_avg_pool2d_backward(dy, input_size):
    """The gradient of :func:`global_avg_pool2d`: dy / (H W) at every pixel.

    Parameters
    ----------
    dy : array_like, shape (N, C, 1, 1)
        Gradient of the result.
    input_size : tuple of int
        (N, C, H, W) or (H, W) of the argument.

    Returns
    -------
    ndarray, shape (N, C, H, W)
        In the memory format of `dy`.
    """
    dy = _check.floats(dy, "dy", 4)
    n, c, h, w = input_size = sizes_of(input_size, dy)
    _check.shape(dy, (n, c, 1, 1), "dy", "that of the result")
    planes = not _format.is_channels_last(dy)
    rows = rows_of(dy, planes)
    images, channels = rows.shape[0], rows.shape[3]
    dx = empty((images, h, w, channels), dy.dtype)
    if dx.size:
        kernels.spread_pixels(rows, dx, images, h * w, channels, dy.itemsize,
                              cpu.threads_for(dx.size * 8))
    return images_of(dx, planes, input_size)
