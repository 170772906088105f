"""From images and labels to the batches that a network takes."""

import contextlib

import numpy as np

from . import functional
from .functional import _check


def images_and_labels(data, name):
    """The images and the labels of `data`: a data set, or a pair (images, labels).

    Returns
    -------
    images : numpy.ndarray, (N, C, H, W), or what :func:`read_in_parts` says
    labels : array-like of length N
        As it came; the loss checks what is in it.

    Raises
    ------
    TypeError, ValueError
        If `data` is neither, is empty, or has images and labels of different length.
    """
    if hasattr(data, "images") and hasattr(data, "labels"):
        images, labels = data.images, data.labels
    elif isinstance(data, (tuple, list)) and len(data) == 2:
        images, labels = data
    else:
        raise TypeError(f"{name} must be a data set, a pair (images, labels), or something that "
                        "gives such pairs, batch by batch (no list or tuple: those are the pair), "
                        f"got {type(data).__name__}")
    images = check_images(images, f"{name} images")
    if np.ndim(labels) == 0 or len(labels) != len(images):
        raise ValueError(f"{name} must have as many labels as images, got {len(images)} images "
                         f"and {np.shape(labels)[:1]} labels")
    if 0 in images.shape:
        raise ValueError(f"{name} is empty: its images have shape {images.shape}")
    return images, labels


def check_images(images, name="images"):
    """`images` as an array (N, C, H, W); what it may hold, :func:`none` and the batches check."""
    if not read_in_parts(images):
        images = as_array(images, name)
    if len(images.shape) != 4:
        hint = ("; add the missing axis: images[None] for one image (C, H, W), "
                "images[:, None] for grey images (N, H, W)" if len(images.shape) == 3 else "")
        raise ValueError(f"{name} must have 4 dimensions (N, C, H, W), "
                         f"got shape {images.shape}{hint}")
    return images


def as_array(images, name):
    """`images` as an array, or an error that says what to do with a pair (images, labels)."""
    try:
        return np.asarray(images)
    except ValueError:
        raise ValueError(f"{name} must be one array of numbers, got a {type(images).__name__} of "
                         "parts that differ in shape: of a pair (images, labels) give the images "
                         "alone, of batches in a list a generator") from None


def read_in_parts(images):
    """Whether `images` is no array, but gives arrays for slices and increasing lists of indices.

    An h5py or zarr data set and :class:`cycnn.data.lazy.Lazy` are such: what is on the disk is
    never read as a whole. Tensors of other libraries are no copy as an array, so they become one.
    """
    return (not isinstance(images, np.ndarray) and not hasattr(images, "__dlpack__")
            and not hasattr(images, "__array_interface__")
            and all(hasattr(images, name) for name in ("shape", "dtype", "__getitem__", "__len__")))


def stays_on_disk(images):
    """Whether `images` is memory-mapped, or no array at all but read in parts."""
    import mmap
    if not isinstance(images, np.ndarray):
        return True
    while isinstance(images, np.ndarray):
        if isinstance(images, np.memmap):
            return True
        images = images.base
    return isinstance(images, mmap.mmap)


def comes_in_batches(data):
    """Whether `data` is to be gone through from its beginning to its end: a generator, a function
    that makes one, a data loader."""
    return callable(data) or (hasattr(data, "__iter__") and not hasattr(data, "shape")
                              and not hasattr(data, "images")
                              and not isinstance(data, (tuple, list, dict, str, bytes)))


def scaling(normalization, channels):
    """(mean, std), one number a channel each; 0 and 1 without a normalization."""
    if normalization is None:
        return np.zeros(channels), np.ones(channels)
    if len(normalization.mean) != channels:
        raise ValueError(f"images must have {len(normalization.mean)} channels, as the network's "
                         f"normalization has, got {channels}")
    return normalization.mean, normalization.std


def read(images, indices):
    """(array, indices in it) for the images at `indices`: read, unless `images` is an array."""
    if isinstance(images, np.ndarray):
        return images, indices
    if len(indices) == 0:
        return np.empty((0, *images.shape[1:]), images.dtype), indices
    if indices[-1] - indices[0] + 1 == len(indices) and (np.diff(indices) == 1).all():
        return np.asarray(images[int(indices[0]):int(indices[-1]) + 1]), np.arange(len(indices))
    # Increasing and each once: what files are read fastest by, and h5py demands.
    sorted_once, places = np.unique(indices, return_inverse=True)
    return np.asarray(images[sorted_once]), places


def gather(images, indices, normalization, dtype):
    """The images at `indices`, normalised and channels last."""
    images, indices = read(images, indices)
    return functional.gather_batch(images, indices,
                                   *scaling(normalization, images.shape[1]), dtype)


def whole(images, normalization, dtype):
    """All of a batch of images, normalised and channels last."""
    return gather(images, np.arange(len(images)), normalization, dtype)


def none(images, normalization, dtype):
    """A batch of none of the images: a network gives its output's shape for it, and every check of
    types and shapes is made, without computing."""
    return gather(images, np.arange(0), normalization, dtype)


def in_order(images, batch_size):
    """Yield the images batch by batch, as they are stored; the last batch may be smaller."""
    batch_size = _check.integer(batch_size, "batch_size", 1)
    for start in range(0, len(images), batch_size):
        yield np.asarray(images[start:start + batch_size])


def output_of_none(forward, x):
    """What `forward` gives for `x`, a batch of no images, or where it cannot take such a one (the
    layers of others may not) for a batch of one image of zeros."""
    with contextlib.suppress(Exception):
        return forward(x)
    return forward(np.zeros((1, *x.shape[1:]), x.dtype))


def of_any(images, batch_size):
    """Yield all images batch by batch, as they are stored; of no images an empty batch.

    `images` is an array, what is read in parts, a data set of either, or an iterable of images or
    of batches.
    """
    batch_size = _check.integer(batch_size, "batch_size", 1)
    if hasattr(images, "images") and hasattr(images, "labels"):
        images = images.images
    if not comes_in_batches(images):
        images = check_images(images)
        if len(images) == 0:
            yield read(images, np.arange(0))[0]
        yield from in_order(images, batch_size)
        return
    come = False
    for part in cut(images, batch_size):
        come = True
        yield part
    if not come:
        raise ValueError("images gave no image at all: a generator is used up once")


def check_views(views):
    """The argument `views` of what predicts: None, or a list of functions of images."""
    if views is None:
        return None
    if callable(views) or isinstance(views, (str, dict)) or not hasattr(views, "__iter__"):
        raise TypeError("views must be a list of functions of images, such as "
                        "[cycnn.data.views.identity, cycnn.data.views.horizontal_flip], "
                        f"got {views!r}")
    views = list(views)
    if not views:
        raise ValueError("views must be at least one function of images, got none")
    for view in views:
        if not callable(view) or isinstance(view, type):
            raise TypeError(f"views must be functions of images, got one {view!r}")
    return views


def shown(view, images):
    """A batch of images as a function of `views` shows it, checked."""
    images = images.view()
    images.flags.writeable = False                      # they may be the user's own
    result = np.asarray(view(images))
    if result.ndim != 4 or len(result) != len(images):
        raise ValueError("views must return as many images (N, C, H, W) as they get, "
                         f"{images.shape}, but {view!r} returned {result.shape}")
    return result


def seen(images, views, normalization, dtype):
    """Yield a batch of images as each of `views` shows it, normalised and channels last."""
    if views is None:
        yield whole(images, normalization, dtype)
    else:
        for view in views:
            yield whole(shown(view, images), normalization, dtype)


def cut(images, batch_size):
    """Yield arrays (N, C, H, W) of at most `batch_size` images from an iterable of images (C, H, W)
    and of batches of any size."""
    waiting = []
    for item in images() if callable(images) else images:
        item = as_array(item, "images")
        if item.ndim == 3:
            if waiting and item.shape != waiting[0].shape:
                raise ValueError(f"images must be of one size, got {item.shape} after "
                                 f"{waiting[0].shape}")
            waiting.append(item)
            if len(waiting) == batch_size:
                yield np.stack(waiting)
                waiting = []
            continue
        if item.ndim != 4:
            raise ValueError("images must come as (C, H, W) or in batches (N, C, H, W), "
                             f"got shape {item.shape}")
        if waiting:
            yield np.stack(waiting)
            waiting = []
        for start in range(0, len(item), batch_size):
            yield item[start:start + batch_size]
    if waiting:
        yield np.stack(waiting)
