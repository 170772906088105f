"""Images that are read when they are asked for: data sets larger than memory.

Each is indexed like an array (N, C, H, W), by an integer, a slice or an array of integers, and then
gives an array.
"""

import numpy as np

from .. import batches
from ..functional import _check


class Lazy:
    """Something with the `shape` and `dtype` of an array, that reads what it is indexed by.

    Parameters
    ----------
    shape : tuple (N, C, H, W)
    dtype : numpy.dtype
    """

    def __init__(self, shape, dtype):
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)

    ndim = 4

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self.read(np.arange(len(self))[index])
        if isinstance(index, (int, np.integer)):
            return self.read(np.arange(len(self))[[index]])[0]
        index = np.asarray(index)
        if index.dtype == bool:
            _check.shape(index, self.shape[:1], "the index", "one truth value an image")
            index = np.flatnonzero(index)
        index = _check.integers(index, "the index", 1)
        _check.in_range(index, len(self), "the index", "the number of images")
        return self.read(index)

    def read(self, indices):
        """The images at `indices`, (N,) int64 in range, as a new array."""
        raise NotImplementedError(f"{type(self).__name__} has no read")

    def __repr__(self):
        return f"{type(self).__name__}({self.shape}, {self.dtype})"


class Rows(Lazy):
    """Some of the images of another source, in any order.

    Parameters
    ----------
    images : array or Lazy, (M, C, H, W)
    indices : numpy.ndarray of int64, (N,)
    """

    def __init__(self, images, indices):
        super().__init__((len(indices), *images.shape[1:]), images.dtype)
        self.images, self.indices = images, indices

    def read(self, indices):
        images, indices = batches.read(self.images, self.indices[indices])
        return np.asarray(images[indices])
