"""Between images and rows: flattening, and batches from stored images."""

import functools

import numpy as np

from ..kernels import cpu
from ..kernels import layout as kernels
from . import _check, _format
from ._memory import empty

# What the kernel tells apart by the bytes of a number.
_READ_IN_PLACE = frozenset({np.dtype(np.uint8), *_check.FLOATS})


def flatten(x):
    """Images as rows of numbers, in PyTorch's order: channels, then rows, then columns.

    Parameters
    ----------
    x : array_like, shape (N, C, H, W)

    Returns
    -------
    ndarray, shape (N, C * H * W), C order
        A view of `x` where its memory already runs that way.
    """
    x = _check.floats(x, "x", 4)
    n, c, h, w = x.shape
    return _format.to_nchw(x, (n, c * h * w))


def flatten_backward(dy, input_size):
    """The gradient of :func:`flatten`: rows of numbers as channels-last images.

    Parameters
    ----------
    dy : array_like, shape (N, C * H * W)
    input_size : tuple of int
        (N, C, H, W) of the images.

    Returns
    -------
    ndarray, shape (N, C, H, W), channels-last memory
    """
    input_size = _check.image_size(input_size, "input_size")
    return unflatten(dy, input_size)


def unflatten(dy, input_size):
    """:func:`flatten_backward` for a size that has been checked."""
    dy = _check.floats(dy, "dy", 2)
    n, c, h, w = input_size
    if dy.shape != (n, c * h * w):
        _check.shape(dy, (n, c * h * w), "dy", f"the flattened input of size {input_size}")
    return _format.to_nhwc(dy.reshape(input_size)).transpose(0, 3, 1, 2)


def gather_batch(images, indices, mean, std, dtype=np.float32):
    """A batch of images as floating-point numbers: (images[indices] - mean) / std, in one pass.

    Parameters
    ----------
    images : array_like, shape (M, C, H, W)
        uint8 and floating-point images in (N, C, H, W) or channels-last memory are read in place;
        of others the chosen ones are copied first.
    indices : array_like of int, shape (N,)
        Which images, each 0 <= index < M.
    mean, std : float or array_like, shape (C,)
        In the units of `images`; `std` above 0.
    dtype : dtype, optional
        float32 or float64.

    Returns
    -------
    ndarray, shape (N, C, H, W), channels-last memory

    Raises
    ------
    TypeError
        If `images` are no real numbers, `indices` no integers, or `dtype` is another type.
    ValueError
        If an index is out of range, or a shape or a `std` does not fit.
    """
    images, indices = np.asarray(images), _check.integers(indices, "indices", 1)
    dtype = np.dtype(dtype)
    if dtype not in _check.FLOATS:
        raise TypeError(f"dtype must be float32 or float64, got {dtype}")
    if images.ndim != 4:
        raise ValueError(f"images must have 4 dimensions (N, C, H, W), got shape {images.shape}")
    number, channels, height, width = images.shape
    mean, scale = _mean_and_scale(_bytes(mean, "mean"), _bytes(std, "std"), channels, dtype)
    _check.in_range(indices, number, "indices", "the number of images")
    pixels = height * width
    batch = empty((indices.size, pixels, channels), dtype)
    result = batch.reshape(indices.size, height, width, channels).transpose(0, 3, 1, 2)
    if batch.size == 0:
        _check.floats(images[:0], "images")
        return result
    rows = images.transpose(0, 2, 3, 1)
    channels_last = rows.flags.c_contiguous
    if not (images.dtype in _READ_IN_PLACE and images.flags.aligned
            and (channels_last or images.flags.c_contiguous)):
        images = np.ascontiguousarray(images[indices])
        if images.dtype != np.uint8:
            images = _check.floats(images, "images")
        channels_last = False
        indices = np.arange(len(images), dtype=np.int64)
    kernels.gather(rows if channels_last else images, indices, mean, scale, batch, indices.size,
                   pixels, channels, channels_last, cpu.threads_for(batch.size * 8))
    return result


def _bytes(values, name):
    """`values` as float64 bytes: something a cache can look up."""
    try:
        return np.asarray(values, np.float64).tobytes()
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number or one for each channel, "
                        f"got {values!r}") from None


@functools.lru_cache(maxsize=64)
def _mean_and_scale(mean, std, channels, dtype):
    """mean and 1 / std as arrays of `channels` numbers."""
    result = []
    for name, values in (("mean", np.frombuffer(mean)), ("std", np.frombuffer(std))):
        if values.size not in (1, channels):
            raise ValueError(f"{name} must be a number or one for each of the {channels} channels, "
                             f"got {values.size}")
        if not np.isfinite(values).all() or (name == "std" and not (values > 0).all()):
            raise ValueError(f"{name} must be finite{' and above 0' * (name == 'std')}, "
                             f"got {values}")
        values = 1 / values if name == "std" else values
        result.append(np.ascontiguousarray(np.broadcast_to(values, channels), dtype))
    return result
