"""Timing that a shared machine and another library's threads disturb as little as possible.

The sides take turns within one process: A B C, C B A, A B C, ... A ratio is taken within a round,
so that a slow moment of the machine falls on both of its sides, and the median over the rounds
counts.
"""

import time

import numpy as np

from cycnn.kernels import peak

# The threads of an OpenMP runtime spin for a few milliseconds after their last work, and would
# take the processor from the next side: each turn begins with so long a warm-up that is not timed.
WARM_UP = 0.008


def turn(function, seconds):
    """Seconds that one call of `function` takes, the mean over about `seconds` of calls."""
    begin = time.perf_counter()
    while True:
        function()
        if time.perf_counter() - begin >= WARM_UP:
            break
    calls, begin = 0, time.perf_counter()
    while True:
        function()
        calls += 1
        elapsed = time.perf_counter() - begin
        if elapsed >= seconds:
            return elapsed / calls


def interleave(sides, rounds, seconds):
    """Time several functions in turn.

    Parameters
    ----------
    sides : dict of str to callable
    rounds : int
        How many turns each side gets.
    seconds : float
        The length of a turn, at least; a single call may take longer.

    Returns
    -------
    dict of str to ndarray
        Seconds a call, one number a round.
    """
    times = {name: [] for name in sides}
    order = list(sides)
    for _ in range(rounds):
        for name in order:
            times[name].append(turn(sides[name], seconds))
        order.reverse()
    return {name: np.array(values) for name, values in times.items()}


def quartiles(values):
    """(median, lower quartile, upper quartile)"""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return float(middle), float(low), float(high)


def spread(values, form=".2f"):
    """What :func:`quartiles` returned, for a table: ``1.32 (1.28 to 1.35)``."""
    return "{} ({} to {})".format(*(format(value, form) for value in values))


def best(times, names):
    """The name of the side whose median time is the shortest."""
    return min(names, key=lambda name: np.median(times[name]))


class Peak:
    """The fused multiply-adds that this processor can do, as one more side of :func:`interleave`.

    Parameters
    ----------
    threads : int
    dtype : {"float32", "float64"}
    """

    def __init__(self, threads, dtype="float32"):
        self._arguments = 100_000, dtype == "float64", threads
        self.operations, _ = peak.fma_loop(*self._arguments)

    def __call__(self):
        peak.fma_loop(*self._arguments)

    def gflops(self, seconds):
        """GFLOP/s, from the times that :func:`interleave` measured for this side."""
        return self.operations / np.asarray(seconds) / 1e9
