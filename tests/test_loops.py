"""examples/loops.py, what the seed programs time beside the kernels: the same numbers as both the
reference and cycnn."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cycnn as cn
import reference
from helpers import TESTS, assert_close, whole

FILE = TESTS.parent / "examples" / "loops.py"
pytestmark = pytest.mark.skipif(not FILE.is_file(), reason="the examples are in the checkout alone")
F = cn.functional


@pytest.fixture(scope="module")
def loops():
    spec = importlib.util.spec_from_file_location("loops_of_examples", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("each", [False, True])
@given(n=st.integers(1, 2), c=st.integers(1, 3), k=st.integers(1, 3), kernel=st.integers(1, 3),
       height=st.integers(3, 6), width=st.integers(3, 5), padding=st.integers(0, 2),
       seed=st.integers(0, 99))
def test_convolution(loops, each, n, c, k, kernel, height, width, padding, seed):
    rng = np.random.default_rng(seed)
    x, weight = whole(rng, float, n, c, height, width), whole(rng, float, k, c, kernel, kernel)
    bias = whole(rng, float, k)
    y = loops.conv2d(x, weight, bias, padding, each)
    assert np.array_equal(y, reference.conv2d(x, weight, bias, padding=padding))
    assert np.array_equal(y, F.conv2d(x, weight, bias, padding=padding))
    untied = whole(rng, float, *y.shape[1:])
    assert np.array_equal(loops.conv2d(x, weight, untied, padding, each),
                          loops.conv2d(x, weight, None, padding, each) + untied)

    dy = whole(rng, float, *y.shape)
    dx, dweight, dbias = loops.conv2d_backward(dy, x, weight, padding)
    for expected in (reference.conv2d_backward(dy, x, weight, True, padding=padding),
                     F.conv2d_backward(dy, x, weight, True, padding=padding)):
        assert np.array_equal(dx, expected[0]) and np.array_equal(dweight, expected[1])
        assert np.array_equal(dbias.sum(axis=(1, 2)), expected[2])
    assert np.array_equal(dbias, dy.sum(axis=0))
    without = loops.conv2d_backward(dy, x, weight, padding, input_gradient=False)
    assert without[0] is None and np.array_equal(without[1], dweight)


@pytest.mark.parametrize("each", [False, True])
@given(n=st.integers(1, 2), c=st.integers(1, 3), height=st.integers(2, 7), width=st.integers(2, 7),
       size=st.integers(1, 3), seed=st.integers(0, 99))
def test_max_pool(loops, each, n, c, height, width, size, seed):
    """Whole numbers, so that many are equal: the gradient goes to the first."""
    rng = np.random.default_rng(seed)
    size = min(size, height, width)
    x = whole(rng, float, n, c, height, width)
    y, indices = F.max_pool2d(x, size, return_indices=True)
    assert np.array_equal(loops.max_pool2d(x, size, each), y)
    assert np.array_equal(y, reference.max_pool2d(x, size))
    dy = whole(rng, float, *y.shape)
    dx = loops.max_pool2d_backward(dy, x, size, each)
    assert np.array_equal(dx, F.max_pool2d_backward(dy, indices, x.shape))
    assert np.array_equal(dx, reference.max_pool2d_backward(dy, indices, x.shape))


@given(n=st.integers(1, 5), classes=st.integers(1, 7), scale=st.sampled_from([1, 30, 1000]),
       seed=st.integers(0, 99))
def test_cross_entropy(loops, n, classes, scale, seed):
    rng = np.random.default_rng(seed)
    logits, labels = rng.standard_normal((n, classes)) * scale, rng.integers(0, classes, n)
    with np.errstate(divide="ignore"):          # a probability of 0 has an infinite loss in loops
        loss, gradient = loops.cross_entropy(logits, labels)
    if np.isfinite(loss):
        assert loss == pytest.approx(F.cross_entropy(logits, labels), rel=1e-12, abs=1e-12)
    assert_close(gradient, F.cross_entropy_backward(logits, labels))


@pytest.fixture
def few(rng):
    return rng.standard_normal((3, 1, 8, 7)), np.array([2, 0, 9])


def trained(model, images, labels, lr, penalties=()):
    """Two steps; the losses before them and the weights after them."""
    optimizer = cn.SGD([{"params": [parameter], "weight_decay": penalty} for parameter, penalty in
                        zip(model.parameters(), penalties or [0] * 8)], lr)
    loss, losses = cn.CrossEntropyLoss(), []
    for _ in range(2):
        losses.append(loss.forward(model.forward(images), labels) + sum(
            penalty / 2 * (parameter.data ** 2).sum()
            for parameter, penalty in zip(model.parameters(), penalties)))
        model.backward(loss.backward(), input_gradient=False)
        optimizer.step()
    return losses, [parameter.data for parameter in model.parameters()]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("each", [False, True])
def test_a_step_of_the_networks_with_a_pool(loops, few, bias, relu, each):
    cn.manual_seed(0)
    model = cn.Sequential(cn.Conv2d(1, 4, 3, bias=bias, dtype=float), *[cn.ReLU()] * relu,
                          cn.MaxPool2d(2), cn.Flatten(), cn.Linear(24, 10, dtype=float))
    arrays = [parameter.data.copy() for parameter in model.parameters()]
    used = arrays if bias else [arrays[0], None, *arrays[1:]]
    losses = [loops.train_step(*few, used, 0.5, relu, each) for _ in range(2)]
    expected, weights = trained(model, *few, 0.5)
    assert losses == pytest.approx(expected, rel=1e-12)
    for array, weight in zip(arrays, weights, strict=True):
        assert_close(array, weight, 100)


def test_a_step_of_the_deep_network_with_its_penalty_on_the_dense_weights(loops, few):
    cn.manual_seed(0)
    model = cn.Sequential(
        cn.Conv2d(1, 3, 5, padding=2, dtype=float), cn.ReLU(),
        cn.Conv2d(3, 4, 5, padding=2, dtype=float), cn.Flatten(),
        cn.Linear(224, 6, dtype=float), cn.ReLU(), cn.Linear(6, 10, dtype=float))
    arrays = [parameter.data.copy() for parameter in model.parameters()]
    losses = [loops.deep_train_step(*few, arrays, 0.5, 0.3) for _ in range(2)]
    expected, weights = trained(model, *few, 0.5, [0, 0, 0, 0, 0.3, 0, 0.3, 0])
    assert losses == pytest.approx(expected, rel=1e-12)
    for array, weight in zip(arrays, weights, strict=True):
        assert_close(array, weight, 100)


def test_the_speed_counts_whole_calls_after_a_first_one(loops, monkeypatch):
    clock, calls = [100.0], []
    monkeypatch.setattr(loops.time, "perf_counter", lambda: clock[0])

    def step(images):
        calls.append(len(images))
        clock[0] += 0.25 * len(images)

    assert loops.images_a_second(step, np.zeros((4, 1)), seconds=2.5) == 4.0
    assert calls == [1, 4, 4, 4]
