"""The random numbers of layers: first weights, and what dropout drops.

Weights come from a generator that all layers share. Dropout needs none: a seed and the number of
the call make a key, from which the rest follows (:func:`cycnn.functional.dropout`). Both begin anew
with :func:`manual_seed`; :func:`get_rng_state` tells where they stand, for a checkpoint. In a
training by :class:`cycnn.Trainer` the keys follow from its own seed (:class:`KeysOf`).
"""

import contextvars
import threading

import numpy as np

from .functional import _check

_shared = None
_lock = threading.Lock()
_seed = None                    # of the keys; drawn when the first is asked for
_calls = 0
_keys_of = contextvars.ContextVar("_keys_of", default=None)     # the innermost KeysOf at work

# Any odd factors would do: the kernel mixes the bits.
_OF_SEED, _OF_CALL = 0x9E3779B97F4A7C15, 0xD1B54A32D192ED03


def manual_seed(seed):
    """Begin anew with the random numbers of layers: weights of new ones, and dropout.

    Parameters
    ----------
    seed : int
        The same seed gives the same weights, and drops the same. What is dropped while a
        :class:`cycnn.Trainer` trains is a matter of that one's seed.
    """
    global _shared, _seed, _calls
    seed = _check.integer(seed, "seed", 0)
    with _lock:
        _shared = np.random.Generator(np.random.PCG64(seed))
        _seed, _calls = seed, 0


def generator(rng=None):
    """The generator to draw from.

    Parameters
    ----------
    rng : numpy.random.Generator, int or None
        A generator is returned as it is, a seed starts a new one, None stands for the shared one.
    """
    if hasattr(rng, "random"):
        return rng
    if rng is not None:
        return np.random.Generator(np.random.PCG64(_check.integer(rng, "rng", 0)))
    if _shared is None:
        _begin()
    return _shared


def _begin():
    """Draw the seeds that nobody has given."""
    global _shared, _seed
    if _shared is None:
        _shared = np.random.default_rng()
    if _seed is None:
        _seed = int(np.random.SeedSequence().generate_state(1, np.uint64)[0])


def next_key():
    """A key for one call of a dropout layer: it follows from the seed and from the calls before."""
    global _calls
    if (keys := _keys_of.get()) is not None:
        return keys.next()
    with _lock:
        _begin()
        _calls += 1
        return (_seed * _OF_SEED + _calls * _OF_CALL) % (1 << 64)


class KeysOf:
    """Within a block, :func:`next_key` follows from `numbers` and from the calls in it alone.

    So what is dropped from a batch does not depend on what else had numbers drawn, and a training
    that goes on from a checkpoint need not know how often that was. The block is one thread's own.

    Parameters
    ----------
    *numbers : int
        At least 0: those of the seed, the epoch and the batch.
    """

    def __init__(self, *numbers):
        self.numbers, self.word, self.calls = numbers, None, 0

    def next(self):
        if self.word is None:
            self.word = 0
            for number in self.numbers:
                self.word = _mixed(self.word + number)
        self.calls += 1
        return (self.word + self.calls * _OF_CALL) % (1 << 64)

    def __enter__(self):
        self.before = _keys_of.set(self)

    def __exit__(self, *error):
        _keys_of.reset(self.before)


def _mixed(word):
    """Sixty-four bits, every one of which depends on all: the hash of SplitMix64."""
    word = (word + _OF_SEED) % (1 << 64)
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 % (1 << 64)
    word = (word ^ word >> 27) * 0x94D049BB133111EB % (1 << 64)
    return word ^ word >> 31


def get_rng_state():
    """Where the random numbers of layers stand, as a dict that JSON can hold.

    Returns
    -------
    dict
        For :func:`set_rng_state`: from there on, layers get the same weights and drop the same.
    """
    with _lock:
        _begin()
        return {"weights": _shared.bit_generator.state, "dropout": [_seed, _calls]}


def set_rng_state(state):
    """Go back to a state of :func:`get_rng_state`.

    Raises
    ------
    ValueError, TypeError
        If it is none; nothing has been changed.
    """
    global _shared, _seed, _calls
    try:
        weights, (seed, calls) = state["weights"], state["dropout"]
        shared = None
        if weights is not None:
            shared = np.random.Generator(np.random.PCG64(0))
            shared.bit_generator.state = weights
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError("state must be what get_rng_state returned: "
                         f"{type(error).__name__} {error}") from None
    for value in (calls, 0 if seed is None else seed):
        if not isinstance(value, int) or not 0 <= value < 1 << 64:
            raise ValueError(f"state['dropout'] must be a seed and a number of calls, got "
                             f"{state['dropout']!r}")
    with _lock:
        _shared, _seed, _calls = shared, seed, calls
