"""What examples/ has of seed 000 alone: its pooling, its training one image at a time, its log."""

import importlib
from argparse import Namespace

import numpy as np
import pytest

import cycnn as cn
from helpers import TESTS, channels_last, normal

EXAMPLES = TESTS.parent / "examples"
pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(),
                                reason="the examples are in the checkout alone")
QUIET = Namespace(progress=False)


@pytest.fixture
def module(monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module


@pytest.fixture
def digits():
    return cn.data.load("digits")[0][:120]


@pytest.mark.parametrize("height, width", [(4, 4), (7, 5), (2, 3)])
def test_each_of_equal_maxima_gets_the_gradient(height, width, module, rng, dtype):
    pool = module("one_at_a_time").EveryMaximum(2)
    x = rng.integers(0, 3, (3, 2, height, width)).astype(dtype)
    y = pool.forward(channels_last(x))
    assert np.array_equal(y, cn.functional.max_pool2d(x, 2))
    dy = normal(rng, dtype, *y.shape)
    expected = np.zeros_like(x)
    for i in range(y.shape[2]):
        for j in range(y.shape[3]):
            window = np.s_[:, :, 2 * i:2 * i + 2, 2 * j:2 * j + 2]
            expected[window] = (x[window] == y[:, :, i:i + 1, j:j + 1]) * dy[:, :, i:i + 1, j:j + 1]
    assert np.array_equal(pool.backward(dy), expected)


def test_without_equal_ones_it_is_the_max_pool(module, rng):
    every, first = module("one_at_a_time").EveryMaximum(2), cn.MaxPool2d(2)
    x = rng.permutation(3 * 2 * 7 * 6).reshape(3, 2, 7, 6).astype(float)
    dy = normal(rng, float, *first.forward(x).shape)
    every.forward(x)
    assert np.array_equal(every.backward(dy), first.backward(dy))


@pytest.mark.parametrize("newer", [False, True])
def test_it_learns_as_the_loops_do(newer, module, digits):
    """From the same weights: the untied biases and the padding of one, neither of the other."""
    seed, loops, few = module("seed_000_same_padding"), module("loops"), digits[:4]
    weights = seed.first_weights((8, 8), newer, 3)
    bias = {"padding": "same", "untied_bias": 8} if newer else {}
    model = cn.Sequential(cn.Conv2d(1, 8, 5, **bias), *[cn.ReLU()] * newer, cn.MaxPool2d(2),
                          cn.Flatten(), cn.Linear(weights[2].shape[1], 10))
    model.load_state_dict(dict(zip(model.state_dict(), weights)))
    losses, right, speed = module("one_at_a_time").epoch(model, few, 0.5, QUIET, "")
    assert right.shape == losses.shape == (4,) and speed > 0
    for i, value in enumerate(losses):
        assert loops.train_step(few.images[i:i + 1] / 255 - 0.5, few.labels[i:i + 1], weights, 0.5,
                                newer, padding=2 * newer) == pytest.approx(value, rel=1e-4)
    for array, learned in zip(weights, model.state_dict().values()):
        np.testing.assert_allclose(learned, array, atol=1e-5)


def test_images_are_counted_one_line_late(module, digits, monkeypatch):
    seed = module("seed_000_same_padding")
    losses, right = np.arange(120.0), np.arange(120) % 2 == 0
    monkeypatch.setattr(seed.one_at_a_time, "epoch", lambda *arguments: (losses, right, 1.0))
    assert seed.lines(digits) == [100] and seed.lines(digits[:99]) == [99]
    log, speed, accuracy = seed.run(digits, digits, "the newer network", 0, QUIET)
    assert log.tolist() == [[losses[:99].sum() / 100], [0.5]] and 0 <= accuracy <= 1


def test_lines_of_the_log(module):
    lines = module("seed_000_same_padding").lines
    assert lines(range(1700)) == [*range(100, 1601, 100)]
    assert lines(range(60_000))[16:] == [3000, *range(10_000, 60_001, 10_000)]


def test_shapes_are_the_published_ones_and_grey_has_one_channel(module, capsys):
    check = module("shape_check")
    assert list(check.shapes(3).values()) == check.PUBLISHED
    grey = [(1, 28, 28) if shape == (3, 28, 28) else shape for shape in check.PUBLISHED]
    assert list(check.shapes(1).values()) == grey
    assert check.report() == len(check.PUBLISHED) == 13
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "| conv1, backward | (3, 28, 28) | (3, 28, 28) | (1, 28, 28) |"
