"""The windows of pools: what their options come to, and the images they are laid over."""

import functools

import numpy as np

from . import _check, _format
from ._check import option


def sizes_of(input_size, dy):
    """(N, C, H, W), where (H, W) alone may be given."""
    if isinstance(input_size, (tuple, list)) and len(input_size) == 2:
        input_size = (*dy.shape[:2], *input_size)
    input_size = _check.image_size(input_size, "input_size")
    if not input_size[2] * input_size[3]:
        raise ValueError(f"input_size must have at least one pixel, got {input_size}")
    if input_size[:2] != dy.shape[:2]:
        raise ValueError(f"dy must have N = {input_size[0]} and C = {input_size[1]} like "
                         f"input_size, got shape {dy.shape}")
    return input_size


def rows_of(x, planes):
    """(N, C, H, W) as the kernels' (N, H, W, C) in C order, or if `planes` as (N * C, H, W, 1)."""
    if planes:
        n, c, h, w = x.shape
        return np.ascontiguousarray(x).reshape(n * c, h, w, 1)
    return _format.to_nhwc(x)


def images_of(y, planes, shape):
    """What :func:`rows_of` did, undone; (N, C) are the first of `shape`."""
    if planes:
        return y.reshape(shape[0], shape[1], y.shape[1], y.shape[2])
    return y.transpose(0, 3, 1, 2)


def options_of(kernel_size, stride, padding, dilation):
    """The options as the caches below take them."""
    kernel_size = option(kernel_size, "kernel_size", 1)
    return (kernel_size, kernel_size if stride is None else option(stride, "stride", 1),
            option(padding, "padding", 0), option(dilation, "dilation", 1))


@functools.lru_cache(maxsize=256)
def window_of(kernel_size, stride, padding, dilation):
    """The options as the kernels take them, checked: vertical and horizontal of each."""
    return (*_check.pair(kernel_size, "kernel_size", 1), *_check.pair(stride, "stride", 1),
            *_check.pair(padding, "padding", 0), *_check.pair(dilation, "dilation", 1))


def window_geometry(shape, kernel_size, stride, padding, dilation, ceil_mode):
    """((OH, OW), the options as the kernels take them), with every argument checked."""
    return _cached_geometry(shape, *options_of(kernel_size, stride, padding, dilation),
                            bool(ceil_mode))


@functools.lru_cache(maxsize=512)
def _cached_geometry(shape, kernel_size, stride, padding, dilation, ceil_mode):
    window = window_of(kernel_size, stride, padding, dilation)
    out = []
    for axis in (0, 1):
        size, (kernel, step, pad, spread) = shape[2 + axis], window[axis::2]
        reach = spread * (kernel - 1) + 1
        if pad > kernel // 2:
            raise ValueError(f"padding must be at most half of kernel_size={kernel_size}, "
                             f"got padding={padding}")
        number = (size + 2 * pad - reach + (step - 1) * ceil_mode) // step + 1
        if ceil_mode and (number - 1) * step >= size + pad:
            number -= 1
        if number < 1 or size < 1:
            raise ValueError(f"kernel_size must fit into the padded image: a window of {reach} "
                             f"pixels does not fit into {size} + 2 * {pad} (image shape {shape}, "
                             f"kernel_size={kernel_size}, padding={padding}, dilation={dilation})")
        if spread > 1 and not all(_touches(i * step - pad, kernel, spread, size)
                                  for i in range(number)):
            raise ValueError(f"padding={padding} with dilation={dilation} leaves a window without "
                             f"a pixel of the image (shape {shape}, kernel_size={kernel_size})")
        out.append(number)
    _check.size((*shape[:2], *out), "the result")
    return tuple(out), window


def _touches(start, kernel, spread, size):
    """Whether a pixel of the window that begins at `start` is one of the image."""
    tap = max(0, -(start // spread))                    # the first at or beyond 0
    return tap < kernel and start + tap * spread < size
