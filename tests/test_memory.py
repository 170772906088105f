"""Memory of results is used again, but never while anyone can still see it."""

import threading
import tracemalloc

import numpy as np
import pytest

from cycnn import functional as F
from helpers import channels_last, normal


def large_results(rng, dtype):
    """Each call makes a result of the same size, far above what is reused."""
    x, weight = channels_last(normal(rng, dtype, 8, 4, 32, 32)), normal(rng, dtype, 16, 4, 3, 3)
    return lambda factor: F.conv2d(factor * x, weight)


HOLDERS = {
    "the array": lambda y: y,
    "a transposed view": lambda y: y.transpose(1, 0, 3, 2),
    "one element": lambda y: y[3:4, 2:3, 5:6, 5:6],
    "a reshaped view": lambda y: y.transpose(0, 2, 3, 1).reshape(-1),
    "a reversed view of a view": lambda y: y[::2][::-1, :, ::3],
    "a view of another type": lambda y: y.transpose(0, 2, 3, 1).view(np.uint8),
    "a memoryview": memoryview,
    "an iterator": lambda y: y.flat,
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_what_is_held_does_not_change(holder, dtype, rng):
    compute = large_results(rng, dtype)
    held = [HOLDERS[holder](compute(factor)) for factor in range(1, 4)]
    before = [np.array(view) for view in held]
    for factor in range(4, 12):
        compute(factor)
    for view, copy in zip(held, before):
        np.testing.assert_array_equal(np.array(view), copy)


def test_what_another_thread_holds_does_not_change(dtype, rng):
    compute = large_results(rng, dtype)
    taken, failures = [], []

    def take(factor):
        mine = compute(factor)
        taken.append((mine, mine.copy()))
        for _ in range(20):
            y = compute(factor)
            if not (y == mine).all():
                failures.append(factor)

    workers = [threading.Thread(target=take, args=(factor,)) for factor in range(1, 5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for factor in range(5, 12):
        compute(factor)
    assert not failures
    for array, copy in taken:
        np.testing.assert_array_equal(array, copy)


def test_a_program_of_many_shapes_does_not_gather_memory(dtype):
    """Blocks of sizes that are no longer asked for are given back."""
    weight = np.ones((200, 1), dtype)
    block = 300 * 200 * weight.itemsize
    tracemalloc.start()
    try:
        for rows in range(200, 300):
            F.linear(np.ones((rows, 1), dtype), weight)
        for _ in range(1200):
            F.linear(np.ones((300, 1), dtype), weight)
        left = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert left < 4 * block
