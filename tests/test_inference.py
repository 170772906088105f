"""Batch normalisation inside the convolution before it, and the chains it is part of."""

import copy

import numpy as np
import pytest

import cycnn as cn
from helpers import assert_close, normal

pytestmark = pytest.mark.usefixtures("threads")


def used(norm, rng):
    """A normalisation with statistics and numbers as after some training."""
    for array in norm.state_dict().values():
        if array.dtype.kind == "f":
            array[...] = rng.random(array.shape) + 0.5
    return norm


def model_of(rng, dtype=np.float32, relu=True, pool=None, channels=5, kernel=3, **options):
    """Convolution and batch normalisation, and what may come behind them."""
    conv = cn.Conv2d(channels, 8, kernel, dtype=dtype, rng=1, **options)
    layers = [conv, used(cn.BatchNorm2d(8, dtype=dtype), rng)]
    layers += [cn.ReLU()] if relu else []
    layers += [pool] if pool else []
    return cn.Sequential(*layers)


def one_by_one(model, x):
    for layer in model:
        x = layer(x)
    return x


CASES = {
    "alone": dict(relu=False), "with a ReLU": {}, "with a pool": dict(pool=cn.MaxPool2d(2)),
    "with a pool alone": dict(relu=False, pool=cn.MaxPool2d(2)),
    "with another pool": dict(pool=cn.MaxPool2d(3, stride=1)),
    "without bias": dict(bias=False), "by Winograd": dict(channels=32, padding=1),
    "by Winograd, pooled": dict(channels=32, padding=1, pool=cn.MaxPool2d(2)),
    "with a stride": dict(stride=2, padding=1), "grouped": dict(channels=4, groups=2),
    "depthwise": dict(channels=8, groups=8, padding=1), "of one pixel": dict(kernel=1),
}


@pytest.mark.parametrize("case", CASES)
def test_evaluation_is_the_layers_one_by_one(case, dtype, rng):
    options = copy.deepcopy(CASES[case])
    model = model_of(rng, dtype, **options).eval()
    x = normal(rng, dtype, 3, options.get("channels", 5), 13, 12)
    expected = one_by_one(model, x)
    assert_close(model(x), expected.astype(np.float64), 300)
    # It is another arithmetic: this is the folded one, and both are the same in later calls.
    np.testing.assert_array_equal(model(x), model(x))


def test_it_is_one_convolution(rng, monkeypatch):
    """Neither the normalisation nor the ReLU is called."""
    model = model_of(rng).eval()
    x = normal(rng, np.float32, 2, 5, 9, 9)
    expected = model(x)
    for kind in (cn.BatchNorm2d, cn.ReLU):
        for name in ("forward", "forward_chain"):
            monkeypatch.setattr(kind, name, None, raising=False)
    np.testing.assert_array_equal(model(x), expected)
    with pytest.raises(TypeError):
        model.train()(x)


def test_whatever_changes_is_seen(rng):
    model = model_of(rng).eval()
    x = normal(rng, np.float32, 2, 5, 9, 9)
    conv, norm = model[0], model[1]
    changes = [lambda: conv.weight.data.__imul__(2), lambda: conv.bias.data.__iadd__(1),
               lambda: norm.running_mean.__iadd__(1), lambda: norm.running_var.__imul__(3),
               lambda: norm.weight.data.__imul__(-2), lambda: norm.bias.data.__iadd__(1),
               lambda: setattr(norm, "eps", 0.5),
               lambda: setattr(conv.weight, "data", conv.weight.data[:, :, :2, :2].copy()),
               lambda: setattr(norm, "running_mean", norm.running_mean + 1),
               lambda: setattr(conv, "padding", (1, 1)),
               lambda: model.load_state_dict(
                   {name: array / 2 for name, array in model.state_dict().items()})]
    for change in changes:
        before = model(x)
        change()
        after = model(x)
        assert before.shape != after.shape or np.abs(before - after).max() > 1e-3
        assert_close(after, one_by_one(model, x).astype(np.float64), 300)


def test_training_goes_on_after_an_evaluation(rng):
    x = normal(rng, np.float32, 4, 5, 9, 9)
    one, other = model_of(rng), model_of(rng)
    other.load_state_dict(one.state_dict())
    for _ in range(3):
        one.eval()(x)
        for model in (one, other):
            y = model.train()(x)
            model.backward(y)
            for parameter in model.parameters():
                parameter.data -= 0.1 * parameter.grad
    for name, array in one.state_dict().items():
        np.testing.assert_array_equal(array, other.state_dict()[name])


def test_parts_in_different_modes(rng):
    """A frozen normalisation in a network that trains, and the other way round."""
    x = normal(rng, np.float32, 4, 5, 9, 9)
    model = model_of(rng)
    mean = model[1].running_mean.copy()
    model[1].eval()
    y = model(x)
    np.testing.assert_array_equal(model[1].running_mean, mean)
    assert_close(y, one_by_one(model, x).astype(np.float64), 300)
    dx, gradient = model.backward(y), y
    own = [parameter.grad for parameter in model.parameters()]
    for layer in reversed(model):
        gradient = layer.backward(gradient)
    np.testing.assert_array_equal(dx, gradient)
    for parameter, grad in zip(model.parameters(), own, strict=True):
        np.testing.assert_array_equal(parameter.grad, grad)
    model.eval()
    model[1].train()
    model(x)
    assert (model[1].running_mean != mean).any()


def test_a_network_in_evaluation_mode_keeps_no_frozen_layers_input(rng):
    model = cn.Sequential(cn.ReLU(), cn.BatchNorm2d(5), cn.Residual(cn.Sequential(
        cn.Tanh(), cn.BatchNorm2d(5))), cn.BatchNorm2d(5), cn.ReLU()).eval()
    y = model(normal(rng, np.float32, 2, 5, 4, 4))
    assert all(module._memory is None for module in model.modules())
    for layer in (model, model[1]):
        with pytest.raises(RuntimeError, match=r"evaluation mode.*train\(\)"):
            layer.backward(y)


def test_without_running_statistics_nothing_is_folded(rng):
    model = cn.Sequential(cn.Conv2d(5, 8, 3), cn.BatchNorm2d(8, track_running_stats=False),
                          cn.ReLU())
    x = normal(rng, np.float32, 4, 5, 9, 9)
    y = model(x)
    np.testing.assert_array_equal(model.eval()(x), y)


def test_after_a_folded_call_backward_is_refused(rng):
    model = model_of(rng)
    x = normal(rng, np.float32, 4, 5, 9, 9)
    y = model(x)
    model.eval()(x)
    with pytest.raises(RuntimeError, match="evaluation mode"):
        model.backward(y)


def test_a_copy_has_weights_of_its_own(rng):
    model = model_of(rng).eval()
    x = normal(rng, np.float32, 2, 5, 9, 9)
    expected = model(x)
    other = copy.deepcopy(model)
    other[0].weight.data *= 2
    assert np.abs(other(x) - expected).max() > 0.1
    np.testing.assert_array_equal(model(x), expected)


# --- in training: the same numbers as layer by layer ----------------------------------------------

def networks(dtype):
    """Chains in every order."""
    block = cn.Residual(cn.Sequential(cn.Conv2d(6, 6, 3, padding=1, dtype=dtype),
                                      cn.BatchNorm2d(6, dtype=dtype), cn.ReLU(),
                                      cn.Conv2d(6, 6, 3, padding=1, dtype=dtype),
                                      cn.BatchNorm2d(6, dtype=dtype)))
    shorter = cn.Residual(cn.Conv2d(6, 6, 2, stride=2, dtype=dtype),
                          cn.Sequential(cn.Conv2d(6, 6, 2, stride=2, dtype=dtype),
                                        cn.GroupNorm(2, 6, dtype=dtype)))
    return [
        cn.Conv2d(3, 6, 3, padding=1, dtype=dtype), cn.BatchNorm2d(6, dtype=dtype), cn.ReLU(),
        block, cn.ReLU(), shorter, cn.ReLU(),
        cn.Conv2d(6, 6, 3, padding=1, dtype=dtype), cn.ReLU(), cn.BatchNorm2d(6, dtype=dtype),
        cn.Residual(cn.Sequential()), cn.ReLU(), cn.GroupNorm(3, 6, dtype=dtype), cn.ReLU(),
        cn.MaxPool2d(2), cn.Residual(cn.Tanh()), cn.ReLU(), cn.Flatten(),
        cn.Linear(6 * 2 * 2, 7, dtype=dtype), cn.BatchNorm1d(7, dtype=dtype), cn.ReLU(),
        cn.Residual(cn.Linear(7, 7, dtype=dtype)), cn.ReLU(), cn.Linear(7, 3, dtype=dtype)]


@pytest.mark.parametrize("input_gradient", [True, False])
def test_a_chain_gives_the_gradients_of_its_layers(input_gradient, dtype, rng):
    layers = networks(dtype)
    model, apart = cn.Sequential(*layers), copy.deepcopy(layers)
    x = normal(rng, dtype, 5, 3, 9, 8)
    y, expected = model(x), x
    for layer in apart:
        expected = layer.forward(expected)
    np.testing.assert_array_equal(y, expected)
    dy = normal(rng, dtype, *y.shape)
    dx, gradient = model.backward(dy, input_gradient), dy
    for layer in reversed(apart):
        gradient = layer.backward(gradient)
    if input_gradient:
        np.testing.assert_array_equal(dx, gradient)
    own = [parameter for layer in layers for parameter in layer.parameters()]
    others = [parameter for layer in apart for parameter in layer.parameters()]
    for one, other in zip(own, others, strict=True):
        np.testing.assert_array_equal(one.grad, other.grad)
    # And each layer of a chain can still be asked alone.
    for layer in reversed(layers):
        dy = layer.backward(dy)
    np.testing.assert_array_equal(dy, gradient)
