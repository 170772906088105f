"""A data set: images, their labels, and what the labels are called."""

import operator

import numpy as np

from .. import batches
from ..functional import _check
from . import names
from .lazy import Rows


class Dataset:
    """Images with their labels, checked once, here.

    Parameters
    ----------
    images : array_like
        ``(N, C, H, W)``, or ``(N, H, W)`` for grey images, or ``(N, H, W, 1)`` or ``(N, H, W, 3)``
        with the channels last. uint8 and floats are kept as they are, without a copy; other
        integers become uint8 where they fit 0 to 255 and float32 where they do not; float16
        becomes float32. What is memory-mapped, or read in parts like an h5py data set, stays on
        the disk: it is kept as it is, whatever its type, and not searched for NaN.
    labels : array_like of int
        ``(N,)``, each from 0 to ``len(classes) - 1``.
    classes : sequence of str, optional
        What label 0, 1, 2... is called. By default the numbers themselves, up to the largest
        label, which then must be below 100,000 or the number of images.

    Attributes
    ----------
    images : ndarray
        ``(N, C, H, W)``, uint8, float32 or float64. A view of what was given where it can be. Of
        images on the disk what was given, or a :class:`cycnn.data.lazy.Rows`, which reads them.
    labels : ndarray of int64
        ``(N,)``.
    classes : list of str

    Raises
    ------
    ValueError
        If the shapes do not fit, the lengths differ, a label has no class, or a pixel is NaN or
        infinite.
    TypeError
        If the images are not real numbers or the labels not integers.

    Examples
    --------
    >>> data = Dataset(np.zeros((4, 8, 8), np.uint8), [0, 1, 1, 0], ["cat", "dog"])
    >>> data
    Dataset(4 images of 1x8x8 uint8, 2 classes: cat, dog)
    >>> len(data[:3]), data[[0, 3]].labels
    (3, array([0, 0]))
    """

    def __init__(self, images, labels, classes=None):
        images, labels = _images(images), _check.integers(labels, "labels", ndim=1)
        if len(images) != len(labels):
            raise ValueError(f"images and labels must be as many: got {len(images)} images and "
                             f"{len(labels)} labels")
        lowest, highest = (labels.min(), labels.max()) if len(labels) else (0, -1)
        classes = list(range(names.count(labels))) if classes is None else names.listed(classes)
        if lowest < 0 or highest >= len(classes):
            wrong = lowest if lowest < 0 else highest
            raise ValueError(f"labels must be from 0 to {len(classes) - 1} ({len(classes)} "
                             f"classes), got {wrong}")
        self.images = images
        self.labels = labels
        self.classes = [str(name) for name in classes]

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        """The images at a slice or at an array of indices, as a Dataset; one image as a pair.

        Returns
        -------
        Dataset
            For a slice (which copies nothing), an array of integers or an array of booleans (which
            copy nothing of what is on the disk).
        tuple of (ndarray, int)
            For one integer: the image ``(C, H, W)`` and its label.
        """
        if not isinstance(index, (slice, list, np.ndarray)):
            index = operator.index(index)
            return np.asarray(self.images[index]), int(self.labels[index])
        if not isinstance(index, slice):
            index = np.asarray(index)
            if index.dtype.kind not in "iub" and index.size == 0:
                index = index.astype(np.int64)          # [] is a float array to NumPy
            if index.ndim != 1 or index.dtype.kind not in "iub":
                raise TypeError("a Dataset is indexed by an integer, a slice, or a 1-d array of "
                                f"integers or booleans; got dtype {index.dtype}, "
                                f"shape {index.shape}")
        part = object.__new__(Dataset)
        part.images, part.labels = _chosen(self.images, index), self.labels[index]
        part.classes = self.classes
        return part

    def __repr__(self):
        shown = ", ".join(self.classes[:10]) + (", ..." if len(self.classes) > 10 else "")
        size = "x".join(str(size) for size in self.images.shape[1:])
        return (f"Dataset({len(self)} images of {size} {self.images.dtype}, "
                f"{len(self.classes)} classes: {shown})")


def _chosen(images, index):
    """The images at a slice or an array of indices, none of them read yet if they are on a disk."""
    if not batches.stays_on_disk(images) or (isinstance(index, slice)
                                             and isinstance(images, np.ndarray)):
        return images[index]
    return Rows(images, np.arange(len(images))[index])


def _images(images):
    """`images` as (N, C, H, W), of a type that the trainer takes."""
    on_disk = batches.read_in_parts(images)
    if not on_disk:
        images = np.asarray(images)
        on_disk = batches.stays_on_disk(images)
    if isinstance(images, np.ndarray):
        if images.ndim == 3:
            images = images[:, np.newaxis]
        elif images.ndim == 4 and images.shape[3] in (1, 3) and images.shape[1] not in (1, 3):
            images = images.transpose(0, 3, 1, 2)
    if len(images.shape) != 4:
        raise ValueError("images must have shape (N, C, H, W), (N, H, W) or (N, H, W, 3), "
                         f"got {images.shape}")
    if 0 in images.shape[1:]:
        raise ValueError(f"images must have at least one pixel, got shape {images.shape}")
    if on_disk:
        _check.floats(np.empty((0,), images.dtype), "images")           # its type
    if images.dtype == np.uint8 or on_disk:
        return images
    if images.dtype.kind in "iu":
        fits = not images.size or (images.min() >= 0 and images.max() <= 255)
        return images.astype(np.uint8 if fits else np.float32)
    images = _check.floats(images, "images")
    # The smallest and the largest are NaN or infinite if any is, and finding them needs no memory.
    if images.size and not (np.isfinite(images.min()) and np.isfinite(images.max())):
        raise ValueError("images must be finite, got NaN or infinite pixels")
    return images
