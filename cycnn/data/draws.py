"""Random numbers that are a function of what they are for, not of when they are drawn.

A number is a hash of the seed, the epoch, the sample's index, and a count of the draws before it.
So a sample is augmented in the same way whatever batch it comes in, whichever thread works on it,
and wherever training was interrupted and resumed.
"""

import numpy as np

# Steele, Lea and Flood's SplitMix64 (OOPSLA 2014): the step, and the two factors of its hash.
_STEP, _FIRST, _SECOND = (np.uint64(value) for value in (
    0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


class Draws:
    """Random numbers for the samples of a batch.

    Parameters
    ----------
    seed, epoch : int
        At least 0.
    indices : numpy.ndarray of int64, (N,)
        The samples' numbers in their data set.
    """

    def __init__(self, seed, epoch, indices):
        key = _hash(_hash(_word(seed)) + _word(epoch))
        self._keys = _hash(key + indices.astype(np.uint64) * _STEP)
        self._count = 0

    def __len__(self):
        """The number of samples."""
        return len(self._keys)

    def uniform(self, low=0.0, high=1.0, size=None):
        """Numbers spread evenly over [low, high): float64, (N,), or (N, size)."""
        count = np.arange(self._count, self._count + (size or 1), dtype=np.uint64)
        self._count += len(count)
        words = _hash(self._keys[:, None] + (count + np.uint64(1)) * _STEP)
        numbers = low + (high - low) * ((words >> np.uint64(11)) * 2.0 ** -53)
        return numbers if size else numbers[:, 0]

    def integers(self, low, high):
        """Whole numbers from `low` to `high`, both included: int64, (N,)."""
        return low + np.floor(self.uniform() * (np.asarray(high) - low + 1)).astype(np.int64)

    def chance(self, p):
        """True with probability `p`: bool, (N,)."""
        return self.uniform() < p

    def keys(self):
        """A number of 64 bits for each sample, for what draws by itself: uint64, (N,)."""
        self._count += 1
        return _hash(self._keys + _word(self._count) * _STEP)

    def child(self, number):
        """Draws of their own for part `number` of a chain: what another part draws changes nothing.
        """
        other = object.__new__(Draws)
        other._keys, other._count = _hash(self._keys ^ _hash(_word(number + 1))), 0
        return other


def _word(value):
    # An array: on NumPy's numbers alone, the overflow that a hash lives on gives warnings.
    return np.array([value], np.uint64)


def _hash(words):
    """Sixty-four bits from each sixty-four, every one of which depends on all."""
    words = words + _STEP
    words = (words ^ (words >> np.uint64(30))) * _FIRST
    words = (words ^ (words >> np.uint64(27))) * _SECOND
    return words ^ (words >> np.uint64(31))
