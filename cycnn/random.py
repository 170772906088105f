"""The random numbers of layers: first weights, and what dropout drops.

Weights come from a generator that all layers share. Dropout needs none: a seed and the number of
the call make a key, from which the rest follows (:func:`cycnn.functional.dropout`). Both begin anew
with :func:`manual_seed`; :func:`get_rng_state` tells where they stand, for a checkpoint.
"""

import threading

import numpy as np

from .functional import _check

_shared = None
_lock = threading.Lock()
_seed = None                    # of the keys; drawn when the first is asked for
_calls = 0


def manual_seed(seed):
    """Begin anew with the random numbers of layers: weights of new ones, and dropout.

    Parameters
    ----------
    seed : int
        The same seed gives the same weights, and drops the same.
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
    global _shared
    if hasattr(rng, "random"):
        return rng
    if rng is not None:
        return np.random.Generator(np.random.PCG64(_check.integer(rng, "rng", 0)))
    if _shared is None:
        _shared = np.random.default_rng()
    return _shared


def next_key():
    """A key for one call of a dropout layer: it follows from the seed and from the calls before."""
    global _seed, _calls
    with _lock:
        if _seed is None:
            _seed = int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
        _calls += 1
        # Any odd factors would do: the kernel mixes the bits.
        return (_seed * 0x9E3779B97F4A7C15 + _calls * 0xD1B54A32D192ED03) % (1 << 64)


def get_rng_state():
    """Where the random numbers of layers stand, as a dict that JSON can hold.

    Returns
    -------
    dict
        For :func:`set_rng_state`: from there on, layers get the same weights and drop the same.
    """
    with _lock:
        weights = None if _shared is None else _shared.bit_generator.state
        return {"weights": weights, "dropout": [_seed, _calls]}


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
