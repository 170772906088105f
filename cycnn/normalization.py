"""The mean and standard deviation of images: what a network expects its input to be scaled by."""

import math

import numpy as np

from .functional import _check

# Numbers that are converted to float64 at a time: small enough for the cache, and never a float64
# copy of a whole data set.
_CHUNK = 1 << 17


class Normalization:
    """Images enter a network as (x - mean) / std, channel by channel.

    Parameters
    ----------
    mean, std : array, (C,)
        In the units of the images; every `std` above 0.
    """

    def __init__(self, mean, std):
        self.mean, self.std = _numbers(mean, "mean"), _numbers(std, "std")
        if self.mean.shape != self.std.shape:
            raise ValueError("mean and std must have one number a channel each, got "
                             f"{len(self.mean)} and {len(self.std)}")
        if not (self.std > 0).all():
            raise ValueError(f"std must be above 0, got {self.std.tolist()}")

    def __eq__(self, other):
        return (isinstance(other, Normalization) and np.array_equal(self.mean, other.mean)
                and np.array_equal(self.std, other.std))

    __hash__ = None

    def __repr__(self):
        return f"Normalization(mean={self.mean.tolist()}, std={self.std.tolist()})"


def measure(images):
    """The mean and standard deviation of each channel; a constant channel gets a std of 1.

    Parameters
    ----------
    images : numpy.ndarray, (N, C, H, W), or what is read like one
        At least one image. They are read a few at a time.

    Returns
    -------
    Normalization

    Raises
    ------
    ValueError
        If the images hold NaN or infinity.
    """
    n, channels = images.shape[:2]
    step = max(1, _CHUNK // max(1, math.prod(images.shape[1:])))
    count, mean, squares = 0, np.zeros(channels), np.zeros(channels)
    for start in range(0, n, step):
        # (C, numbers of this chunk), then Chan, Golub and LeVeque's way of joining two parts:
        # no large numbers are subtracted from each other.
        chunk = np.asarray(images[start:start + step]).astype(np.float64)
        chunk = chunk.transpose(1, 0, 2, 3).reshape(channels, -1)
        size = chunk.shape[1]
        chunk_mean = chunk.mean(axis=1)
        chunk -= chunk_mean[:, None]
        chunk *= chunk
        shift = chunk_mean - mean
        squares += chunk.sum(axis=1) + shift * shift * (count * size / (count + size))
        mean += shift * (size / (count + size))
        count += size
    if not (np.isfinite(mean).all() and np.isfinite(squares).all()):
        raise ValueError("the training images hold NaN, infinity or numbers too large to square")
    std = np.sqrt(squares / count)
    # Rounding leaves a constant channel with a std of about 1e-16 of its mean.
    return Normalization(mean, np.where(std > 1e-12 * np.abs(mean), std, 1.0))


def _numbers(values, name):
    values = np.array(_check.floats(np.asarray(values, dtype=np.float64), name, 1))
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite, got {values.tolist()}")
    values.flags.writeable = False
    return values
