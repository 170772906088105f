"""What an augmentation is, and how several become one."""

import numpy as np

from .. import functional
from ..functional import _check
from .draws import Draws


class Augmentation:
    """Random changes to the images of a batch; one of your own needs `apply`."""

    def apply(self, images, draws):
        """The changed images.

        Parameters
        ----------
        images : numpy.ndarray, (N, C, H, W)
            As they are stored; not to be changed in place.
        draws : cycnn.data.draws.Draws
            Where all chance is to come from.

        Returns
        -------
        numpy.ndarray, (N, C, H', W')
            Of the same type. H' and W' may be others than H and W, but the same for all.
        """
        raise NotImplementedError(f"{type(self).__name__} has no apply")

    def __call__(self, images, indices=None, seed=0, epoch=0, samples=None):
        """Changed images.

        Parameters
        ----------
        images : array_like, (M, C, H, W)
        indices : array_like of int, (N,), optional
            Which images; by default all.
        seed, epoch : int
            Others give other changes.
        samples : array_like of int, (N,), optional
            The numbers that the changes depend on; by default `indices`.

        Returns
        -------
        numpy.ndarray, (N, C, H', W')
            uint8, float32 or float64.

        Raises
        ------
        TypeError, ValueError
            If `images` are no images of real numbers, or do not suit the augmentation.
        """
        images = np.asarray(images)
        if images.ndim != 4:
            raise ValueError(f"images must have 4 dimensions (N, C, H, W), got shape "
                             f"{images.shape}")
        indices = (np.arange(len(images)) if indices is None
                   else _check.integers(indices, "indices", 1))
        _check.in_range(indices, len(images), "indices", "the number of images")
        samples = indices if samples is None else _check.integers(samples, "samples", 1)
        _check.shape(samples, indices.shape, "samples", "that of indices")
        draws = Draws(_check.integer(seed, "seed", 0), _check.integer(epoch, "epoch", 0), samples)
        return self._of(Rows(images, indices), draws).images()

    def _of(self, batch, draws):
        """A :class:`Rows` from another."""
        images = batch.images()
        changed = np.asarray(self.apply(images, draws))
        if changed.ndim != 4 or changed.shape[:2] != images.shape[:2]:
            raise ValueError(f"{type(self).__name__}.apply must return as many images of as many "
                             f"channels as it got, {images.shape}, but returned {changed.shape}")
        return Rows(changed)

    def __repr__(self):
        options = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({options})"


class Rows:
    """Images by their rows and columns in stored ones: moved on paper first, and then in one pass.

    Without rows and columns they are stored[indices], or if there are no indices all of them.
    """

    def __init__(self, stored, indices=None, rows=None, columns=None, fill=None):
        self.stored, self.indices = stored, indices
        self.rows, self.columns, self.fill = rows, columns, fill

    @property
    def size(self):
        """Height and width."""
        if self.rows is None:
            return self.stored.shape[2:]
        return self.rows.shape[1], self.columns.shape[1]

    def images(self):
        """The images themselves."""
        if self.indices is None and self.rows is None:
            return self.stored
        height, width = self.stored.shape[2:]
        indices = np.arange(len(self.stored)) if self.indices is None else self.indices
        rows, columns = ((np.broadcast_to(np.arange(length), (len(indices), length))
                          for length in (height, width))
                         if self.rows is None else (self.rows, self.columns))
        return functional.remap(self.stored, indices, rows, columns,
                                0 if self.fill is None else self.fill)

    def move(self, rows, columns, fill=None):
        """The rows and columns, (N, H') and (N, W'), of these; `fill` where one is below 0.

        Both may be of one row, for all images. A `fill` of None: none is below 0.
        """
        batch = self
        if None not in (fill, batch.fill) and not np.array_equal(fill, batch.fill):
            batch = Rows(batch.images())
        number = len(batch.stored) if batch.indices is None else len(batch.indices)
        rows, columns = (np.broadcast_to(part, (number, part.shape[1]))
                         for part in (rows, columns))
        if batch.rows is not None:
            rows, columns = _through(batch.rows, rows), _through(batch.columns, columns)
        return Rows(batch.stored, batch.indices, rows, columns,
                     batch.fill if fill is None else fill)


def _through(first, then):
    """Positions in `first`'s images from those in the ones that it makes; below 0 stays so."""
    return np.where(then < 0, -1, np.take_along_axis(first, np.maximum(then, 0), axis=1))


class InRows(Augmentation):
    """An augmentation that moves rows and columns, or leaves that to others."""

    def apply(self, images, draws):
        return self._of(Rows(images), draws).images()


class Compose(InRows):
    """One augmentation after another; what one draws does not depend on the others.

    Parameters
    ----------
    transforms : sequence of Augmentation
    """

    def __init__(self, transforms):
        if isinstance(transforms, Augmentation) or not hasattr(transforms, "__iter__"):
            raise TypeError("transforms must be a list of augmentations, got "
                            f"{type(transforms).__name__}")
        self.transforms = list(transforms)
        for transform in self.transforms:
            if not isinstance(transform, Augmentation):
                raise TypeError("transforms must be Augmentations, got one "
                                f"{getattr(transform, '__name__', type(transform).__name__)}")

    def _of(self, batch, draws):
        for i, transform in enumerate(self.transforms):
            batch = transform._of(batch, draws.child(i))
        return batch
