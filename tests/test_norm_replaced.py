"""Numbers and options of normalisation that were replaced after the layer was made."""

import numpy as np
import pytest

import cycnn as cn
from helpers import assert_close, normal

LAYERS = {
    "batch": lambda: cn.BatchNorm2d(4), "group": lambda: cn.GroupNorm(2, 4),
    "evaluated": lambda: cn.BatchNorm2d(4).eval(),
    "folded": lambda: cn.Sequential(cn.Conv2d(4, 4, 1), cn.BatchNorm2d(4)).eval(),
}
NUMBERS = [np.ones(3, np.float32), np.ones(1, np.float32), np.ones((4, 1), np.float32),
           np.ones(4), [1.0, 1, 1, 1]]


def norm_of(layer):
    return layer[1] if isinstance(layer, cn.Sequential) else layer


@pytest.fixture
def x(rng):
    return normal(rng, np.float32, 2, 4, 5, 3)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("name", ["weight", "bias"])
@pytest.mark.parametrize("numbers", NUMBERS, ids=str)
def test_numbers_that_do_not_fit(kind, name, numbers, x):
    layer = LAYERS[kind]()
    y, parameter = layer(x), getattr(norm_of(layer), name)
    kept, parameter.data = parameter.data, numbers
    if kind != "folded":
        with pytest.raises((TypeError, ValueError), match=f"{name} must"):
            layer.backward(y)
    with pytest.raises((TypeError, ValueError), match=f"{name} must|x must be float64"):
        layer(x)
    parameter.data = kept
    np.testing.assert_array_equal(layer(x), y)


@pytest.mark.parametrize("kind", ["batch", "evaluated", "folded"])
@pytest.mark.parametrize("name", ["running_mean", "running_var"])
@pytest.mark.parametrize("numbers", [*NUMBERS, None], ids=str)
def test_running_statistics_that_do_not_fit(kind, name, numbers, x):
    layer = LAYERS[kind]()
    before = {name: array.copy() for name, array in layer.state_dict().items()}
    setattr(norm_of(layer), name, numbers)
    with pytest.raises((TypeError, ValueError), match=f"{name} must|x must be float64"):
        layer(x)
    setattr(norm_of(layer), name, np.zeros(4, np.float32))
    other = "running_var" if name == "running_mean" else "running_mean"
    np.testing.assert_array_equal(getattr(norm_of(layer), other),
                                  before[[key for key in before if key.endswith(other)][0]])


@pytest.mark.parametrize("kind", LAYERS)
def test_numbers_of_any_memory(kind, x):
    layer = LAYERS[kind]()
    norm_of(layer).weight.data[...] = np.arange(4)
    y = layer(x)
    norm_of(layer).weight.data = np.repeat(np.arange(4, dtype=np.float32), 2)[::2]
    assert_close(layer(x), y)
    norm_of(layer).weight.data = np.arange(4)               # integers are converted
    assert_close(layer(x), y)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("name, value", [("eps", -5.0), ("eps", np.nan), ("momentum", 7.0)])
def test_options_that_cannot_be(kind, name, value, x):
    if name == "momentum" and kind != "batch":
        return
    layer = LAYERS[kind]()
    setattr(norm_of(layer), name, value)
    with pytest.raises(ValueError, match=f"{name} must be"):
        layer(x)


def test_other_channels_or_groups_between_forward_and_backward(x):
    for layer, name in ((cn.BatchNorm2d(4), "num_features"), (cn.GroupNorm(2, 4), "num_groups"),
                        (cn.GroupNorm(2, 4), "num_channels")):
        layer(x)
        dx = layer.backward(np.sin(x))
        for other in (1, 4, 8):
            setattr(layer, name, other)
            np.testing.assert_array_equal(layer.backward(np.sin(x)), dx)
    layer = cn.BatchNorm2d(4).eval()
    layer.num_features = 8
    with pytest.raises(ValueError, match=r"weight must have shape \(8,\)|running_mean"):
        layer(np.concatenate([x, x], 1))


@pytest.mark.parametrize("momentum", [None, 1, 0.25])
@pytest.mark.parametrize("scale, far", [(1e-4, 0), (1e-8, 0), (1, 1e6)])
def test_running_statistics_keep_their_digits(momentum, scale, far, rng):
    layer, expected = cn.BatchNorm2d(3, momentum=momentum), [np.zeros(3), np.ones(3)]
    for step, centre in enumerate((far, 0), 1):
        x = (normal(rng, np.float64, 64, 3, 4, 4) * scale + centre).astype(np.float32)
        layer(x)
        part = momentum or 1 / step
        new = x.mean((0, 2, 3), np.float64), x.astype(np.float64).var((0, 2, 3), ddof=1)
        expected = [(1 - part) * old + part * now for old, now in zip(expected, new)]
        np.testing.assert_allclose(layer.running_mean, expected[0], rtol=3e-6, atol=1e-7 * scale)
        np.testing.assert_allclose(layer.running_var, expected[1], rtol=3e-6)


def test_a_variance_beyond_float32_is_infinite(recwarn):
    layer = cn.BatchNorm1d(1)
    layer(np.array([[3e38], [-3e38]], np.float32))
    assert layer.running_var == np.inf and not recwarn.list


@pytest.mark.parametrize("number", [-1, 1.7, np.nan, np.inf, "a", 2**70])
def test_batches_that_cannot_be_counted(number, x):
    layer = cn.BatchNorm2d(4, momentum=None)
    before = layer(x)
    with pytest.raises((TypeError, ValueError), match="num_batches_tracked must"):
        layer.load_state_dict({**layer.state_dict(), "weight": np.zeros(4),
                               "num_batches_tracked": number})
    assert layer.num_batches_tracked == 1
    np.testing.assert_array_equal(layer(x), before)


def test_lists_go_through_flatten_and_residual():
    images = [[[[1.0, -2], [3, 4]]]]
    assert cn.Flatten()(images).tolist() == [[1, -2, 3, 4]]
    assert cn.Residual(cn.ReLU())(images).tolist() == [[[[2, -2], [6, 8]]]]
    network = cn.Sequential(cn.Flatten(), cn.Residual(cn.ReLU()))
    assert network(images).tolist() == [[2, -2, 6, 8]]
    assert network.backward(np.ones((1, 4))).tolist() == [[[[2, 1], [2, 2]]]]
