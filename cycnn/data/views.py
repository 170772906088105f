"""Views of images for test-time augmentation: nothing random, and every image the same way.

>>> from cycnn.data.views import Shift, horizontal_flip, identity
>>> trainer.evaluate(test, views=[identity, horizontal_flip])
>>> model.predict(images, views=[Shift(0, 0), Shift(-1, 0), Shift(1, 0), Shift(0, -1), Shift(0, 1)])

A view of your own is a function of images (N, C, H, W), as they are stored, that returns as many.
"""

import numpy as np

from .. import functional
from ..functional import _check

__all__ = ["Shift", "horizontal_flip", "identity", "vertical_flip"]


def identity(images):
    """The images as they are."""
    return images


def horizontal_flip(images):
    """Left and right exchanged."""
    return images[..., ::-1]


def vertical_flip(images):
    """Above and below exchanged."""
    return images[..., ::-1, :]


class Shift:
    """The images moved by some whole pixels; what is left open is `fill`.

    Parameters
    ----------
    down, right : int
        Negative: up, and to the left.
    fill : float or sequence of float, one a channel
        In the units of the images.
    """

    def __init__(self, down, right, fill=0):
        self.down = _check.integer(down, "down", -2**31)
        self.right = _check.integer(right, "right", -2**31)
        self.fill = fill

    def __call__(self, images):
        number, _, height, width = images.shape
        rows, columns = (
            np.broadcast_to(np.where((places < 0) | (places >= length), -1, places),
                            (number, length))
            for length, by in ((height, self.down), (width, self.right))
            for places in [np.arange(length) - by])
        return functional.remap(images, np.arange(number), rows, columns, self.fill)

    def __repr__(self):
        return f"Shift({self.down}, {self.right}, fill={self.fill!r})"
