"""Augmentation: images that a network sees a little different every time.

The classes have torchvision's names and defaults. They work on whole batches of images as they are
stored, uint8 or floating point, of any number of channels, before these are normalised.

>>> train_augment = Compose([RandomCrop(32, padding=4), RandomHorizontalFlip(), RandomErasing()])
>>> trainer.fit(train, epochs=10, augment=train_augment)

An image's changes depend on the seed, the epoch and its index in the data set alone (see
:mod:`cycnn.data.draws`). One of your own draws what it needs from `draws`:

>>> class RandomBrightness(Augmentation):                   # up to a tenth darker
...     def apply(self, images, draws):
...         factor = draws.uniform(0.9, 1.0)[:, None, None, None]
...         return (images * factor).astype(images.dtype)
"""

import math

import numpy as np

from .. import functional
from ..functional import _check
from .augmentation import Augmentation, Compose, InRows

__all__ = ["Augmentation", "CenterCrop", "Compose", "RandomAffine", "RandomCrop", "RandomErasing",
           "RandomHorizontalFlip", "RandomRotation", "RandomShift", "RandomVerticalFlip"]

_PADDING_MODES = "constant", "edge", "reflect", "symmetric"
# How often RandomErasing draws a rectangle that does not fit before it leaves the image alone.
_ATTEMPTS = 10


class RandomCrop(InRows):
    """A part of the image at a random place; with padding, often one that reaches beyond the edge.

    Parameters
    ----------
    size : int or (int, int)
        The part's height and width.
    padding : int, (int, int) or (int, int, int, int), optional
        Pixels that are added first: on all sides, left and right and then above and below, or left,
        above, right, below.
    pad_if_needed : bool
        Pad images smaller than `size` until they have it.
    fill : float or sequence of float, one a channel
        What padding consists of, in the units of the images.
    padding_mode : {"constant", "edge", "reflect", "symmetric"}
        `fill`; the edge's pixels; the image mirrored without and with its edge.
    """

    def __init__(self, size, padding=None, pad_if_needed=False, fill=0, padding_mode="constant"):
        self.size = _check.pair(size, "size", 1)
        self.padding = padding if padding is None else _sides(padding)
        self.pad_if_needed = bool(pad_if_needed)
        self.fill = _fill(fill, "fill")
        if padding_mode not in _PADDING_MODES:
            raise ValueError(f"padding_mode must be one of {', '.join(_PADDING_MODES)}, "
                             f"got {padding_mode!r}")
        self.padding_mode = padding_mode

    def _of(self, batch, draws):
        left, top, right, bottom = self.padding or (0, 0, 0, 0)
        rows = self._axis(batch.size[0], self.size[0], top, bottom, "height", draws)
        columns = self._axis(batch.size[1], self.size[1], left, right, "width", draws)
        return batch.move(rows, columns, self.fill)

    def _axis(self, length, size, before, after, name, draws):
        """Where the part's rows or columns are in images of `length` of them: (N, size)."""
        if self.pad_if_needed and before + length + after < size:
            missing = size - (before + length + after)
            before, after = before + missing, after + missing
        room = before + length + after - size
        if room < 0:
            raise ValueError(f"size must fit into the padded images: {size} pixels of {name} do "
                             f"not fit into {before} + {length} + {after}")
        positions = np.arange(size) - before + draws.integers(0, room)[:, None]
        if self.padding_mode == "reflect" and max(before, after) >= length:
            raise ValueError(f"padding must be less than the image's {name} of {length} to be "
                             f"reflected, got {max(before, after)}")
        if self.padding_mode == "symmetric" and max(before, after) > length:
            raise ValueError(f"padding must be at most the image's {name} of {length} to be "
                             f"mirrored, got {max(before, after)}")
        return _beyond(positions, length, self.padding_mode)


class CenterCrop(InRows):
    """The middle of the image, nothing random: for validation images beside a RandomCrop.

    Parameters
    ----------
    size : int or (int, int)
        Height and width. Smaller images are padded with zeros.
    """

    def __init__(self, size):
        self.size = _check.pair(size, "size", 1)

    def _of(self, batch, draws):
        rows, columns = (
            _beyond(np.arange(size)[None] + (round((length - size) / 2) if length > size
                                             else (length - size + 1) // 2), length, "constant")
            for length, size in zip(batch.size, self.size))
        return batch.move(rows, columns, 0)


class RandomShift(InRows):
    """The image moved by up to some whole pixels each way; what is left open is `fill`.

    The same as RandomCrop of the images' size with as much padding.

    Parameters
    ----------
    pixels : int or (int, int)
        Up and down, and sideways.
    fill : float or sequence of float, one a channel
        In the units of the images.
    """

    def __init__(self, pixels, fill=0):
        self.pixels = _check.pair(pixels, "pixels", 0)
        self.fill = _fill(fill, "fill")

    def _of(self, batch, draws):
        rows, columns = (
            _beyond(np.arange(length) + draws.integers(-most, most)[:, None], length, "constant")
            for length, most in zip(batch.size, self.pixels))
        return batch.move(rows, columns, self.fill)


class _RandomFlip(InRows):

    def __init__(self, p=0.5):
        self.p = _probability(p)

    def _of(self, batch, draws):
        positions = [np.arange(length)[None] for length in batch.size]
        forwards = positions[self._axis]
        positions[self._axis] = np.where(draws.chance(self.p)[:, None], forwards[:, ::-1], forwards)
        return batch.move(*positions)


class RandomHorizontalFlip(_RandomFlip):
    """Left and right exchanged, with probability `p`.

    Parameters
    ----------
    p : float
    """

    _axis = 1


class RandomVerticalFlip(_RandomFlip):
    """Above and below exchanged, with probability `p`.

    Parameters
    ----------
    p : float
    """

    _axis = 0


class RandomAffine(Augmentation):
    """The image turned, moved, scaled and sheared around its middle.

    Parameters
    ----------
    degrees : float or (float, float)
        Turned by an angle from this range, clockwise; of one number, from -degrees to it.
    translate : (float, float), optional
        Moved by up to these fractions of the width and the height.
    scale : (float, float), optional
        Scaled by a factor from this range.
    shear : float or sequence of 2 or 4 floats, optional
        Sheared by an angle in degrees: sideways from -shear to it or from the first to the second,
        and up and down from the third to the fourth.
    interpolation : {"nearest", "bilinear"}
    fill : float or sequence of float, one a channel
        What is around the image, in its units.
    """

    _clockwise = 1

    def __init__(self, degrees, translate=None, scale=None, shear=None, interpolation="nearest",
                 fill=0):
        self.degrees = _range(degrees, "degrees")
        self.translate = None if translate is None else _two(translate, "translate", 0, 1)
        self.scale = None if scale is None else _two(scale, "scale", 1e-6, math.inf)
        if self.scale and self.scale[0] > self.scale[1]:
            raise ValueError(f"scale must be (smallest, largest), got {scale!r}")
        if shear is not None and np.ndim(shear) == 1 and len(shear) == 4:
            self.shear = _range(shear[:2], "shear") + _range(shear[2:], "shear")
        else:
            self.shear = None if shear is None else _range(shear, "shear")
        if any(abs(angle) >= 90 for angle in self.shear or ()):
            raise ValueError(f"shear must be between -90 and 90 degrees, got {shear!r}")
        if interpolation not in ("nearest", "bilinear"):
            raise ValueError("interpolation must be 'nearest' or 'bilinear', "
                             f"got {interpolation!r}")
        self.interpolation = interpolation
        self.fill = _fill(fill, "fill")

    def apply(self, images, draws):
        height, width = images.shape[2:]
        angle = np.radians(self._clockwise * draws.uniform(*self.degrees))
        across, down = self.translate or (0, 0)
        dx = np.round(draws.uniform(-across * width, across * width))
        dy = np.round(draws.uniform(-down * height, down * height))
        scale = draws.uniform(*(self.scale or (1, 1)))
        shear = (*(self.shear or (0, 0)), 0, 0)
        lean, rise = draws.uniform(*shear[:2]), draws.uniform(*shear[2:4])
        # The image's own map is turn * shear * scale around its middle, then the move; the result
        # is read through its inverse. The determinant of the first two is 1.
        lean, rise = np.tan(np.radians(lean)), np.radians(rise)
        down_turned = np.stack([np.cos(angle - rise), np.sin(angle - rise)]) / np.cos(rise)
        b, d = -lean * down_turned - np.stack([np.sin(angle), -np.cos(angle)])
        a, c = down_turned
        a, b, c, d = d / scale, -b / scale, -c / scale, a / scale
        middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
        x, y = -middle_x - dx, -middle_y - dy
        matrices = np.stack([a, b, a * x + b * y + middle_x, c, d, c * x + d * y + middle_y], 1)
        return functional.warp_affine(images, matrices, self.interpolation, self.fill)


class RandomRotation(RandomAffine):
    """The image turned around its middle.

    Parameters
    ----------
    degrees : float or (float, float)
        By an angle from this range, counter-clockwise; of one number, from -degrees to it.
    interpolation : {"nearest", "bilinear"}
    fill : float or sequence of float, one a channel
        What is around the image, in its units.
    """

    _clockwise = -1         # torchvision's two turn opposite ways

    def __init__(self, degrees, interpolation="nearest", fill=0):
        super().__init__(degrees, interpolation=interpolation, fill=fill)


class RandomErasing(Augmentation):
    """A rectangle of the image covered, with probability `p`: Zhong et al., arXiv:1708.04896.

    Parameters
    ----------
    p : float
    scale : (float, float)
        The rectangle's share of the image's area.
    ratio : (float, float)
        Its height by its width, evenly on a logarithmic scale.
    value : float, sequence of float, one a channel, or "random"
        What covers, in the units of the images: the mean that `model.normalization` holds stands
        for the zero of a normalised image. "random" is noise, another number for each pixel and
        channel: evenly from 0 to 255 for uint8 images; for floating point, as torchvision's, normal
        with mean 0 and standard deviation 1, which suits images that are normalised already.
    """

    def __init__(self, p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0):
        self.p = _probability(p)
        self.scale = _two(scale, "scale", 0, 1)
        self.ratio = _two(ratio, "ratio", 1e-6, math.inf)
        for name, (low, high) in (("scale", self.scale), ("ratio", self.ratio)):
            if low > high:
                raise ValueError(f"{name} must be (smallest, largest), got {(low, high)}")
        if isinstance(value, str):
            if value != "random":
                raise ValueError('value must be a number, one for each channel, or "random", '
                                 f"got {value!r}")
            self.value = value
        else:
            self.value = _fill(value, "value")

    def apply(self, images, draws):
        height, width = images.shape[2:]
        covered = draws.chance(self.p)
        area = height * width * draws.uniform(*self.scale, _ATTEMPTS)
        ratio = np.exp(draws.uniform(*np.log(self.ratio), _ATTEMPTS))
        h = np.round(np.sqrt(area * ratio)).astype(np.int64)
        w = np.round(np.sqrt(area / ratio)).astype(np.int64)
        fits = (h < height) & (w < width)
        first = fits.argmax(axis=1)[:, None]
        h, w = (np.take_along_axis(side, first, axis=1)[:, 0] for side in (h, w))
        none = ~(covered & fits.any(axis=1))
        h[none] = w[none] = 0
        boxes = np.stack([draws.integers(0, height - h), draws.integers(0, width - w), h, w], 1)
        if self.value == "random":
            return functional.erase_noise(images, boxes, draws.keys())
        return functional.erase(images, boxes, self.value)


def _beyond(positions, length, mode):
    """Positions that are within 0 to `length`: those beyond it as `mode` says, -1 for constant."""
    if mode == "constant":
        return np.where((positions < 0) | (positions >= length), -1, positions)
    if mode == "edge":
        return np.clip(positions, 0, length - 1)
    edge = mode == "symmetric"      # the edge itself is mirrored too
    positions = np.where(positions < 0, -positions - edge, positions)
    return np.where(positions >= length, 2 * (length - 1) + edge - positions, positions)


def _sides(padding):
    """(left, above, right, below)."""
    if np.ndim(padding) == 0:
        return (_check.integer(padding, "padding", 0),) * 4
    if len(padding) not in (2, 4):
        raise ValueError(f"padding must be one integer, 2 or 4 of them, got {padding!r}")
    return tuple(_check.integer(side, "padding", 0) for side in padding) * (4 // len(padding))


def _probability(p):
    p = _check.number(p, "p", 0)
    if p > 1:
        raise ValueError(f"p must be a probability from 0 to 1, got {p}")
    return p


def _two(values, name, minimum, maximum):
    """Two numbers from `minimum` to `maximum`."""
    if np.ndim(values) != 1 or len(values) != 2:
        raise ValueError(f"{name} must be two numbers, got {values!r}")
    values = tuple(_check.number(value, name) for value in values)
    if not all(minimum <= value <= maximum for value in values):
        bounds = f"at least {minimum}" if maximum == math.inf else f"from {minimum} to {maximum}"
        raise ValueError(f"{name} must be two numbers of {bounds}, got {values}")
    return values


def _range(value, name):
    """(low, high); of one number, from -value to it."""
    if np.ndim(value) == 0:
        value = _check.number(value, name, 0)
        return -value, value
    low, high = _two(value, name, -math.inf, math.inf)
    if low > high:
        raise ValueError(f"{name} must be (smallest, largest), got {value!r}")
    return low, high


def _fill(value, name):
    """A number, or a tuple of them."""
    if np.ndim(value) == 0:
        return _check.number(value, name)
    return tuple(_check.number(part, name) for part in value)
