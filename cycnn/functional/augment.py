"""Stored images moved, turned and partly covered, as augmentation needs them.

Which pixels go where is decided by the caller, image by image: nothing here is random.
"""

import numpy as np

from ..kernels import augment as kernels
from ..kernels import cpu
from . import _check, _format

# What the kernels tell apart by the bytes of a number.
_READ_IN_PLACE = frozenset({np.dtype(np.uint8), *_check.FLOATS})
_INTERPOLATIONS = "nearest", "bilinear"


def remap(images, indices, rows, columns, fill=0):
    """Images made of rows and columns of others: shifted, cropped, padded, flipped.

    y[n, :, i, j] = images[indices[n], :, rows[n, i], columns[n, j]], and `fill` where the row or
    the column is below 0.

    Parameters
    ----------
    images : array_like, shape (M, C, H, W)
        uint8, float32 and float64 are read in place, in (N, C, H, W) or channels-last memory; of
        other types and memories the chosen images are copied first.
    indices : array_like of int, shape (N,)
        Which images, each 0 <= index < M.
    rows, columns : array_like of int, shapes (N, H') and (N, W')
        Below H and below W.
    fill : float or array_like, shape (C,)
        For uint8 images from 0 to 255.

    Returns
    -------
    ndarray, shape (N, C, H', W')
        In the memory format of `images` and of their type: uint8, float32 or float64.

    Raises
    ------
    TypeError, ValueError
        If `images` are no real numbers, a shape does not fit or a number is out of range.
    """
    images, indices = _images(images), _check.integers(indices, "indices", 1)
    number, channels, height, width = images.shape
    _check.in_range(indices, number, "indices", "the number of images")
    rows = _positions(rows, "rows", len(indices), height)
    columns = _positions(columns, "columns", len(indices), width)
    last = _format.is_channels_last(images)
    if not _readable(images, last):
        images, indices = _dense(images[indices], last), np.arange(len(indices), dtype=np.int64)
    batch = _like(images, (len(indices), channels, rows.shape[1], columns.shape[1]), last)
    fill = _fill(fill, "fill", batch)
    if batch.size:
        kernels.remap(_in_order(images, last), indices, rows, columns, fill,
                      _in_order(batch, last), len(batch), _shape(images, batch, last),
                      batch.itemsize, cpu.threads_for(batch.size * 8))
    return batch


def warp_affine(images, matrices, interpolation="nearest", fill=0):
    """Images turned, scaled, sheared and shifted, each by a matrix of its own.

    y[n, :, i, j] is the input at column m[0] j + m[1] i + m[2] and row m[3] j + m[4] i + m[5] with
    m = matrices[n], where whole numbers are the middles of pixels.

    Parameters
    ----------
    images : array_like, shape (N, C, H, W)
        Types as for :func:`remap`.
    matrices : array_like, shape (N, 6)
        From places in the result to places in the image.
    interpolation : {"nearest", "bilinear"}
        The nearest pixel (between two the even one), or the weighted mean of the four around, which
        is rounded for uint8.
    fill : float or array_like, shape (C,)
        What all around the image is. For uint8 images from 0 to 255.

    Returns
    -------
    ndarray, shape (N, C, H, W)
        In the memory format of `images`.

    Raises
    ------
    TypeError, ValueError
        If `images` are no real numbers, a shape does not fit or a number is out of range.
    """
    if interpolation not in _INTERPOLATIONS:
        raise ValueError(f"interpolation must be one of {', '.join(_INTERPOLATIONS)}, "
                         f"got {interpolation!r}")
    images = _images(images)
    last = _format.is_channels_last(images)
    images = images if _readable(images, last) else _dense(images, last)
    matrices = _check.floats(np.asarray(matrices), "matrices", 2)
    _check.shape(matrices, (len(images), 6), "matrices", "six numbers an image")
    if not np.isfinite(matrices).all():
        raise ValueError("matrices must be finite, got NaN or infinity")
    batch = _like(images, images.shape, last)
    fill = _fill(fill, "fill", batch)
    if batch.size:
        kernels.warp(_in_order(images, last), np.ascontiguousarray(matrices, np.float64), fill,
                     _in_order(batch, last), len(batch), _shape(images, batch, last),
                     interpolation == "bilinear", batch.itemsize,
                     cpu.threads_for(batch.size * 64))
    return batch


def erase(images, boxes, value=0):
    """Images with a rectangle of each replaced by `value`.

    Parameters
    ----------
    images : array_like, shape (N, C, H, W)
        Types as for :func:`remap`.
    boxes : array_like of int, shape (N, 4)
        The first row and column, height and width of each rectangle, within the image; a height or
        width of 0 covers nothing.
    value : float or array_like, shape (C,)
        For uint8 images from 0 to 255.

    Returns
    -------
    ndarray, shape (N, C, H, W)
        New memory, in the memory format of `images`.

    Raises
    ------
    TypeError, ValueError
        If `images` are no real numbers, a shape does not fit or a rectangle leaves its image.
    """
    batch, boxes, last = _to_erase(images, boxes)
    value = _fill(value, "value", batch)
    if batch.size:
        kernels.erase(_in_order(batch, last), boxes, value, len(batch),
                      _shape(batch, batch, last), batch.itemsize, cpu.threads_for(batch.size))
    return batch


def erase_noise(images, boxes, keys):
    """Images with a rectangle of each replaced by noise: each pixel and channel another number.

    Parameters
    ----------
    images, boxes
        As for :func:`erase`.
    keys : array_like of uint64, shape (N,)
        Which noise: an image's follows from its key and from each pixel's place.

    Returns
    -------
    ndarray, shape (N, C, H, W)
        New memory, in the memory format of `images`. The noise is spread evenly over 0 to 255 for
        uint8, and normal with mean 0 and standard deviation 1 for floating point.

    Raises
    ------
    TypeError, ValueError
        As for :func:`erase`; if `keys` are no integers, or not one for each image.
    """
    batch, boxes, last = _to_erase(images, boxes)
    keys = np.asarray(keys)
    if keys.dtype != np.uint64:
        keys = _check.integers(keys, "keys", 1)
    _check.shape(keys, (len(batch),), "keys", "one for each image")
    if batch.size:
        kernels.erase_noise(_in_order(batch, last), boxes, np.ascontiguousarray(keys, np.uint64),
                            len(batch), _shape(batch, batch, last), batch.itemsize,
                            cpu.threads_for(batch.size))
    return batch


def _to_erase(images, boxes):
    """(a copy of the images, the boxes, whether the copy is channels last in memory), checked."""
    images = _images(images)
    boxes = _check.integers(boxes, "boxes", 2)
    _check.shape(boxes, (len(images), 4), "boxes", "row, column, height and width for each image")
    _, _, height, width = images.shape
    outside = ((boxes < 0).any(axis=1) | (boxes[:, 0] > height) | (boxes[:, 1] > width)
               | (boxes[:, 2] > height - boxes[:, 0]) | (boxes[:, 3] > width - boxes[:, 1]))
    if outside.any():
        raise ValueError(f"boxes must lie within the image of {height}x{width}, "
                         f"got {boxes[outside.argmax()].tolist()}")
    last = _format.is_channels_last(images)
    return _dense(images, last, copy=True), boxes, last


def _images(images):
    """`images` as an array of four dimensions of real numbers."""
    images = np.asarray(images)
    if images.ndim != 4:
        raise ValueError(f"images must have 4 dimensions (N, C, H, W), got shape {images.shape}")
    if images.dtype != np.uint8:
        _check.floats(images[:0], "images")
    return images


def _readable(images, last):
    """Whether a kernel can read `images` in place, as channels last if `last`, else as first."""
    dense = (images.transpose(0, 2, 3, 1) if last else images).flags.c_contiguous
    return dense and images.flags.aligned and images.dtype in _READ_IN_PLACE


def _dense(images, last, copy=False):
    """`images` as a kernel takes them, channels last in memory if `last`, else first."""
    if images.dtype != np.uint8:
        images = _check.floats(images, "images")
    if last:
        images = images.transpose(0, 2, 3, 1)
    dense = np.array(images, order="C", copy=True) if copy else np.ascontiguousarray(images)
    return dense.transpose(0, 3, 1, 2) if last else dense


def _like(images, shape, last):
    """New memory for `shape`, (N, C, H, W), of the type of `images`."""
    if not last:
        return np.empty(shape, images.dtype)
    n, c, h, w = shape
    return np.empty((n, h, w, c), images.dtype).transpose(0, 3, 1, 2)


def _in_order(images, last):
    """`images` with the axes in the order of memory."""
    return images.transpose(0, 2, 3, 1) if last else images


def _shape(images, batch, last):
    """Both sizes as the kernels take them: channels first as planes, channels last as `inner`."""
    _, channels, height, width = images.shape
    planes, inner = (1, channels) if last else (channels, 1)
    return planes, height, width, inner, *batch.shape[2:]


def _fill(fill, name, batch):
    """One number a channel, of the type of the images."""
    channels = batch.shape[1]
    try:
        values = np.asarray(fill, np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number or one for each channel, got {fill!r}") from None
    if values.shape not in ((), (1,), (channels,)):
        raise ValueError(f"{name} must be a number or one for each of the {channels} channels, "
                         f"got {fill!r}")
    if batch.dtype == np.uint8:
        if not ((values >= 0) & (values <= 255)).all():
            raise ValueError(f"{name} must be from 0 to 255 as the images are uint8, got {fill!r}")
        values = np.rint(values)
    elif not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite, got {fill!r}")
    return np.ascontiguousarray(np.broadcast_to(values, channels), batch.dtype)


def _positions(positions, name, number, size):
    """`positions`, (N, any), as the kernel's int32, all below `size`."""
    positions = _check.integers(positions, name, 2)
    if len(positions) != number:
        raise ValueError(f"{name} must be as many as indices, {number}, got {len(positions)}")
    if positions.size and positions.max() >= size:
        raise ValueError(f"{name} must be below {size}, the size of the image, "
                         f"got {positions.max()}")
    return np.maximum(positions, -1).astype(np.int32)
