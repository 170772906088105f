"""The exponential moving average of the weights."""

import json

import numpy as np
import pytest

import cycnn as cn
from helpers import assert_close, normal

pytestmark = pytest.mark.usefixtures("threads")

SHAPES = (130, 127), (5,), (2, 3, 3, 3), ()


def parameters_of(rng, dtype):
    return [cn.Parameter(np.array(normal(rng, dtype, *shape))) for shape in SHAPES]


def wander(parameters, rng):
    for parameter in parameters:
        parameter.data += 0.1 * normal(rng, parameter.data.dtype, *parameter.data.shape)


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.5, 0.9, 0.999, 1.0])
def test_averages_are_pytorchs(decay, dtype, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
    parameters = parameters_of(rng, dtype)
    theirs = torch.nn.ParameterList([torch.tensor(p.data.copy()) for p in parameters])
    ema = cn.ExponentialMovingAverage(parameters, decay)
    other = AveragedModel(theirs, multi_avg_fn=get_ema_multi_avg_fn(decay))
    for step in range(12):
        wander(parameters, rng)
        with torch.no_grad():
            for mine, yours in zip(parameters, theirs):
                yours.copy_(torch.tensor(mine.data))
        ema.update()
        other.update_parameters(theirs)
        for mine, yours in zip(ema.averages, other.module):
            assert_close(mine, yours.detach().numpy(), 3)
    assert ema.updates == 12


def test_averages_are_this_formula(dtype, rng):
    parameters = parameters_of(rng, dtype)
    ema = cn.ExponentialMovingAverage(iter(parameters), decay=0.6, warmup=True)
    for n in range(10):
        wander(parameters, rng)
        ema.update()
        d = min(0.6, (1 + n) / (10 + n)) if n else 0
        expected = [d * a + (1 - d) * p.data.astype(float)
                    for a, p in zip(expected, parameters)] if n else [
                        p.data.astype(float) for p in parameters]
    for mine, right in zip(ema.averages, expected):
        assert_close(mine, np.array(right), 3)


def test_the_same_bits_for_every_number_of_threads(every_kernel_in_parallel, dtype):
    results = []
    for number in (1, 2, 5):
        every_kernel_in_parallel(number)
        rng = np.random.default_rng(0)
        parameters = parameters_of(rng, dtype)
        ema = cn.ExponentialMovingAverage(parameters, 0.9)
        for _ in range(4):
            wander(parameters, rng)
            ema.update()
        results.append([average.tobytes() for average in ema.averages])
    assert results[0] == results[1] == results[2]


def test_evaluating_the_averages(dtype, rng):
    parameters = parameters_of(rng, dtype)
    ema = cn.ExponentialMovingAverage(parameters, 0.9)
    ema.update()
    first = [parameter.data.copy() for parameter in parameters]
    wander(parameters, rng)
    arrays, last = [p.data for p in parameters], [p.data.copy() for p in parameters]

    def is_now(expected):
        for parameter, array, right in zip(parameters, arrays, expected):
            assert parameter.data is array          # nobody's view of the weights goes stale
            np.testing.assert_array_equal(array, right)

    with ema.average_parameters():
        is_now(first)
    is_now(last)
    with pytest.raises(ZeroDivisionError), ema.average_parameters():
        1 / 0
    is_now(last)
    ema.swap()
    is_now(first)
    ema.swap()
    is_now(last)
    ema.copy_to()
    is_now(first)


def test_state_goes_on(dtype):
    def start():
        parameters = parameters_of(np.random.default_rng(0), dtype)
        return parameters, cn.ExponentialMovingAverage(parameters, 0.9, warmup=True)

    (weights, whole), (others, resumed) = start(), start()
    rng = np.random.default_rng(1)
    for step in range(6):
        wander(weights, rng)
        whole.update()
        if step == 2:
            state = whole.state_dict()
            text = json.loads(json.dumps({key: state[key] for key in ("updates", "decay")}))
            text["state"] = {str(number): {"average": entry["average"].copy()}
                             for number, entry in state["state"].items()}
            resumed.load_state_dict(text)
        if step > 2:
            for one, other in zip(weights, others):
                other.data[...] = one.data
            resumed.update()
    for one, other in zip(whole.averages, resumed.averages):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("spoil", [
    lambda state: None, lambda state: {}, lambda state: {**state, "updates": -1},
    lambda state: {**state, "decay": "0.9"}, lambda state: {**state, "state": {}},
    lambda state: {**state, "state": {**state["state"], 1: {"average": np.zeros(4)}}}])
def test_a_state_that_does_not_fit(spoil, rng):
    ema = cn.ExponentialMovingAverage(parameters_of(rng, np.float64), 0.9)
    ema.update()
    before = [average.copy() for average in ema.averages]
    with pytest.raises((ValueError, TypeError)):
        ema.load_state_dict(spoil(ema.state_dict()))
    assert ema.updates == 1
    for one, other in zip(ema.averages, before):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("make, error, message", [
    (lambda p: cn.ExponentialMovingAverage(p, -0.1), ValueError, "decay"),
    (lambda p: cn.ExponentialMovingAverage(p, 1.1), ValueError, "decay"),
    (lambda p: cn.ExponentialMovingAverage(p, "slow"), TypeError, "decay"),
    (lambda p: cn.ExponentialMovingAverage([]), ValueError, "empty"),
    (lambda p: cn.ExponentialMovingAverage(p[0]), TypeError, "parameters"),
    (lambda p: cn.ExponentialMovingAverage([3]), TypeError, "parameters")])
def test_impossible_averages(make, error, message, rng):
    with pytest.raises(error, match=message):
        make(parameters_of(rng, np.float64))
