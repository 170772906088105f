"""From images and labels to the batches that a network takes."""

import numpy as np

from . import functional
from .functional import _check


def images_and_labels(data, name):
    """The images and the labels of `data`: a data set, or a pair (images, labels).

    Returns
    -------
    images : numpy.ndarray, (N, C, H, W)
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
        raise TypeError(f"{name} must be a data set or a pair (images, labels), "
                        f"got {type(data).__name__}")
    images = check_images(images, f"{name} images")
    if np.ndim(labels) == 0 or len(labels) != len(images):
        raise ValueError(f"{name} must have as many labels as images, got {len(images)} images "
                         f"and {np.shape(labels)[:1]} labels")
    if images.size == 0:
        raise ValueError(f"{name} is empty: its images have shape {images.shape}")
    return images, labels


def check_images(images, name="images"):
    """`images` as an array (N, C, H, W); what it may hold, :func:`none` and the batches check."""
    images = np.asarray(images)
    if images.ndim != 4:
        hint = ("; add the missing axis: images[None] for one image (C, H, W), "
                "images[:, None] for grey images (N, H, W)" if images.ndim == 3 else "")
        raise ValueError(f"{name} must have 4 dimensions (N, C, H, W), "
                         f"got shape {images.shape}{hint}")
    return images


def scaling(normalization, channels):
    """(mean, std), one number a channel each; 0 and 1 without a normalization."""
    if normalization is None:
        return np.zeros(channels), np.ones(channels)
    if len(normalization.mean) != channels:
        raise ValueError(f"images must have {len(normalization.mean)} channels, as the network's "
                         f"normalization has, got {channels}")
    return normalization.mean, normalization.std


def in_order(images, batch_size, normalization, dtype):
    """Yield the images batch by batch, normalised and channels last; the last may be smaller."""
    batch_size = _check.integer(batch_size, "batch_size", 1)
    mean, std = scaling(normalization, images.shape[1])
    for start in range(0, len(images), batch_size):
        indices = np.arange(start, min(start + batch_size, len(images)))
        yield functional.gather_batch(images, indices, mean, std, dtype)


def none(images, normalization, dtype):
    """A batch of none of the images: a network gives its output's shape for it, and every check of
    types and shapes is made, without computing."""
    return functional.gather_batch(images, np.arange(0), *scaling(normalization, images.shape[1]),
                                   dtype)
