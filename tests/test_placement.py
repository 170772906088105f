"""Where arrays lie in memory changes no bit, not even where short ones touch."""

import random

import numpy as np
import pytest

import cycnn as cn
from cycnn import functional as F
from cycnn.functional.update import Weight

GAPS = (0, 8, 16, 32)
FAR = 1024


def placed(arrays, gap, order, first=0):
    """Copies of the arrays in one block, in some order, `gap` bytes apart."""
    block = np.zeros(first + 64 + sum(array.nbytes + gap for array in arrays), np.uint8)
    at, copies = -block.ctypes.data % 64 + first, list(arrays)
    for i in order:
        copies[i] = np.ndarray(arrays[i].shape, arrays[i].dtype, block, at)
        copies[i][...] = arrays[i]
        at += arrays[i].nbytes + gap
    return copies


def placements(number, times=6):
    """(gap, order, first) of `number` arrays; the first of them leaves them far apart."""
    rng = random.Random(0)
    yield FAR, range(number), 0
    for gap in GAPS:
        for _ in range(times):
            yield gap, rng.sample(range(number), number), rng.choice((0, 8, 16, 24, 40))


OPTIMIZERS = {
    "sgd": lambda p: cn.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda p: cn.Adam(p, lr=0.01, weight_decay=0.01),
    "adamw": lambda p: cn.AdamW(p, lr=0.01, amsgrad=True),
    "rmsprop": lambda p: cn.RMSprop(p, lr=0.003, momentum=0.9, centered=True, weight_decay=0.01),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("n", [*range(1, 10), 15, 16, 17, 31])
def test_steps(name, n, dtype):
    rng = np.random.default_rng(n)
    weight, first, *grads = rng.normal(size=(4, n)) * 10.0 ** rng.integers(-12, 1, (4, n))
    expected = None
    for gap, order, start in placements(5):
        parameter = cn.Parameter(weight.astype(dtype))
        optimizer = OPTIMIZERS[name]([parameter])
        parameter.grad = first.astype(dtype)
        optimizer.step()
        states = optimizer._states[parameter].arrays
        used = 2 + len(states)
        parameter.data, parameter.grad, *arrays = placed(
            [parameter.data, parameter.grad, *states.values()], gap,
            [i for i in order if i < used], start)
        states.update(zip(states, arrays))
        for grad in grads:
            parameter.grad[...] = grad
            optimizer.step()
        found = np.array([parameter.data, *arrays])
        expected = found if expected is None else expected
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("n", [*range(1, 10), 15, 17])
def test_averaged_weights(n, dtype):
    numbers = np.random.default_rng(n).normal(size=(2, n)).astype(dtype)
    expected = None
    for gap, order, start in placements(2):
        parameter = cn.Parameter(numbers[0])
        average = cn.ExponentialMovingAverage([parameter], 0.9)
        parameter.data, kept = placed([numbers[1], numbers[0]], gap, order, start)
        average._averages[0] = Weight(kept, "an average")
        average.update()
        expected = average.averages[0].copy() if expected is None else expected
        np.testing.assert_array_equal(average.averages[0], expected)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("channels", [*range(1, 10), 15, 17])
def test_batch_norm(channels, training, dtype):
    rng = np.random.default_rng(channels)
    x, dy = rng.normal(size=(2, 3, channels, 2, 2)).astype(dtype)
    numbers = list(rng.uniform(0.5, 2, (4, channels)).astype(dtype))
    expected = None
    for gap, order, start in placements(4):
        mean, var, weight, bias = placed(numbers, gap, order, start)
        found = [*F.batch_norm_backward(dy, x, mean, var, weight, training),
                 F.batch_norm(x, mean, var, weight, bias, training), mean, var]
        expected = expected or found
        for one, other in zip(found, expected):
            np.testing.assert_array_equal(one, other)
