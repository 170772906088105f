"""Sequential computes convolution, ReLU and pool in one go, with the numbers of each layer."""

import copy
import pickle

import numpy as np
import pytest

import cycnn as cn
from helpers import normal

pytestmark = pytest.mark.usefixtures("threads")


def conv(*args, **options):
    return cn.Conv2d(*args, **options, rng=np.random.default_rng(3))


# Winograd's kernels and direct ones, with and without each of the layers behind.
NETS = {
    "direct": lambda: [conv(3, 8, 3), cn.ReLU(), cn.MaxPool2d(2), conv(8, 9, 5, stride=2)],
    "Winograd": lambda: [conv(3, 16, 3), cn.ReLU(), conv(16, 33, 3, padding=1), cn.ReLU(),
                         cn.MaxPool2d(2), conv(33, 16, 5, padding="same"), cn.ReLU()],
    "no ReLU": lambda: [conv(3, 20, 3), cn.MaxPool2d(2), conv(20, 20, 3), cn.MaxPool2d(2)],
    "ReLU after the pool": lambda: [conv(3, 16, 3), cn.MaxPool2d(2), cn.ReLU(),
                                    conv(16, 16, 3, bias=False), cn.ReLU()],
    "two convolutions": lambda: [conv(3, 16, 3), conv(16, 16, 3), cn.ReLU(), cn.ReLU(),
                                 conv(16, 6, 1)],
    "strided after a ReLU": lambda: [conv(3, 20, 3), cn.ReLU(),
                                     conv(20, 18, 3, stride=(2, 3), padding=1), cn.ReLU(),
                                     conv(18, 18, 3, groups=3, padding=2)],
    "depthwise after a ReLU": lambda: [conv(3, 20, 3), cn.ReLU(), conv(20, 20, 3, groups=20),
                                       cn.ReLU(), cn.MaxPool2d(2)],
    "another pool": lambda: [conv(3, 16, 3), cn.ReLU(), cn.MaxPool2d(3, 2, 1), conv(16, 16, 3),
                             cn.ReLU(), cn.AvgPool2d(2)],
    "another activation": lambda: [conv(3, 16, 3), cn.LeakyReLU(), conv(16, 16, 3), cn.Tanh()],
    "a network inside": lambda: [conv(3, 16, 3), cn.ReLU(),
                                 cn.Sequential(conv(16, 16, 3), cn.ReLU(), cn.MaxPool2d(2))],
}
each_net = pytest.mark.parametrize("net", NETS)


def alone(layers, x):
    for layer in layers:
        x = layer.forward(x)
    return x


def gradients(model):
    return [parameter.grad for parameter in model.parameters()]


def assert_equal(actual, expected):
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def assert_same_step(model, layers, x, accumulate, rng):
    """Forward and backward through `model` give what its `layers` give one by one."""
    expected = alone(layers, x)
    y = model.forward(x)
    np.testing.assert_array_equal(y, expected)
    dy = normal(rng, np.float32, *y.shape)
    dx = model.backward(dy, accumulate=accumulate)
    for layer in reversed(layers):
        dy = layer.backward(dy, accumulate=accumulate)
    np.testing.assert_array_equal(dx, dy)
    assert_equal(gradients(model), gradients(cn.Sequential(*layers)))


@each_net
@pytest.mark.parametrize("size", [(23, 22), (21, 25)], ids=str)
@pytest.mark.parametrize("accumulate", [False, True], ids=["write", "accumulate"])
def test_same_numbers_as_layer_by_layer(net, size, accumulate, rng):
    model = cn.Sequential(*NETS[net]())
    layers = copy.deepcopy(model.layers)
    x = normal(rng, np.float32, 3, 3, *size)
    for _ in range(2):
        assert_same_step(model, layers, x, accumulate, rng)


@each_net
def test_each_layer_still_has_its_own_backward(net, rng):
    model = cn.Sequential(*NETS[net]())
    layers = copy.deepcopy(model.layers)
    x = normal(rng, np.float32, 3, 3, 23, 22)
    alone(layers, x)
    y = model.forward(x)
    dy = normal(rng, np.float32, *y.shape)
    for layer, other in zip(reversed(model.layers), reversed(layers)):
        dx = layer.backward(dy)
        np.testing.assert_array_equal(dx, other.backward(dy))
        dy = dx
    assert_equal(gradients(model), gradients(cn.Sequential(*layers)))


@each_net
def test_evaluation_remembers_nothing(net, rng):
    model = cn.Sequential(*NETS[net]())
    x = normal(rng, np.float32, 2, 3, 23, 22)
    trained = model.forward(x)
    model.eval()
    np.testing.assert_array_equal(model.forward(x), trained)
    assert all(module._memory is None for module in model.modules())
    for module in (model, *model.layers):
        with pytest.raises(RuntimeError, match="evaluation mode"):
            module.backward(trained)


def test_no_input_gradient_where_nobody_asks(rng):
    model = cn.Sequential(cn.ReLU(), conv(3, 16, 3), cn.ReLU(), cn.MaxPool2d(2))
    y = model.forward(normal(rng, np.float32, 2, 3, 9, 9))
    assert model.backward(np.ones_like(y), input_gradient=False) is None
    assert model[1].weight.grad is not None


def test_a_class_of_ones_own_is_called(rng):
    class Doubled(cn.ReLU):
        def forward(self, x):
            return 2 * super().forward(x)

    x = normal(rng, np.float32, 2, 3, 9, 9)
    plain, own = cn.Sequential(conv(3, 16, 3), cn.ReLU()), cn.Sequential(conv(3, 16, 3), Doubled())
    np.testing.assert_array_equal(own.forward(x), 2 * plain.forward(x))


def test_a_pool_changed_later_is_obeyed(rng):
    model = cn.Sequential(conv(3, 16, 3), cn.ReLU(), cn.MaxPool2d(2))
    x = normal(rng, np.float32, 2, 3, 9, 9)
    model.forward(x)
    model[2].kernel_size = model[2].stride = (3, 3)
    y = model.forward(x)
    assert y.shape == (2, 16, 2, 2)
    np.testing.assert_array_equal(y, alone(model.layers, x))
    assert model.backward(np.ones_like(y)).shape == x.shape


def test_errors_name_the_layer(rng):
    model = cn.Sequential(conv(3, 16, 3), cn.ReLU(), conv(17, 4, 3), cn.ReLU())
    with pytest.raises(ValueError, match="17 input channels") as error:
        model.forward(normal(rng, np.float32, 2, 3, 9, 9))
    assert "in layer 2, Conv2d(17, 4" in error.value.__notes__[0]
    model = cn.Sequential(conv(3, 16, 3), cn.ReLU(), cn.MaxPool2d(2))
    with pytest.raises(ValueError, match="kernel_size"):
        model.forward(normal(rng, np.float32, 2, 3, 3, 3))
    y = model.forward(normal(rng, np.float32, 2, 3, 9, 9))
    with pytest.raises(ValueError, match="dy must have shape"):
        model.backward(y[:, :8])


def linear(*args, **options):
    return cn.Linear(*args, **options, rng=np.random.default_rng(3))


# Linear layers between others, their weights small and large (then the optimizer works out the
# gradient), with and without a ReLU before and behind.
DENSE = {
    "small": lambda: [conv(3, 8, 3), cn.ReLU(), cn.Flatten(), linear(512, 20), cn.ReLU(),
                      linear(20, 5)],
    "large": lambda: [conv(3, 16, 3), cn.ReLU(), cn.Flatten(), linear(1024, 150), cn.ReLU(),
                      linear(150, 233, bias=False), linear(233, 7)],
    "large behind a pool": lambda: [conv(3, 70, 3), cn.ReLU(), cn.MaxPool2d(2), cn.Flatten(),
                                    linear(1120, 37), cn.ReLU(), linear(37, 5)],
    "other layers between": lambda: [conv(3, 16, 3), cn.Tanh(), cn.Flatten(), linear(1024, 40),
                                     cn.LeakyReLU(), linear(40, 5), cn.ReLU()],
    "large first and last": lambda: [cn.Flatten(), linear(300, 130), cn.ReLU(), linear(130, 300)],
}


@pytest.mark.parametrize("net", DENSE)
@pytest.mark.parametrize("batch", [1, 3, 140])
def test_dense_networks_layer_by_layer(net, batch, rng):
    model = cn.Sequential(*DENSE[net]())
    layers = copy.deepcopy(model.layers)
    x = normal(rng, np.float32, batch, 3, 10, 10)
    for accumulate in (False, False, True, True):
        assert_same_step(model, layers, x, accumulate, rng)


@pytest.mark.parametrize("options", [
    {}, {"weight_decay": 0.1}, {"momentum": 0.9},
    {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}], ids=str)
@pytest.mark.parametrize("net", ["large", "large behind a pool"])
@pytest.mark.parametrize("images", [9, 1])
def test_steps_with_gradients_never_written(images, net, options, rng):
    """SGD takes the same steps, bit for bit, as with gradients that were read before."""
    model, other = (cn.Sequential(*DENSE[net]()) for _ in range(2))
    steps = [cn.SGD(one.parameters(), lr=0.05, **options) for one in (model, other)]
    x, labels = normal(rng, np.float32, images, 3, 10, 10), rng.integers(0, 5, images)
    loss = cn.CrossEntropyLoss()
    for _ in range(3):
        for one in (model, other):
            loss.forward(one.forward(x), labels)
            one.backward(loss.backward(), input_gradient=False)
        assert any(parameter.pending for parameter in model.parameters())
        gradients(other)
        assert not any(parameter.pending for parameter in other.parameters())
        for step in steps:
            step.step()
        assert_equal(model.state_dict().values(), other.state_dict().values())
        assert_equal(gradients(model), gradients(other))


def test_dead_windows_get_no_gradient():
    layer = conv(1, 1, 1)
    layer.weight.data[...], layer.bias.data[...] = 1, 0
    model = cn.Sequential(layer, cn.ReLU(), cn.MaxPool2d(2))
    x = np.array([[[[-1, -2, 0, 0], [-3, -4, 0, 0], [1, 1, -5, 2], [1, 0, 3, 3]]]], np.float32)
    np.testing.assert_array_equal(model.forward(x), [[[[0, 0], [1, 3]]]])
    dx = model.backward(np.array([[[[10, 20], [30, 40]]]], np.float32))
    np.testing.assert_array_equal(
        dx, [[[[0, 0, 0, 0], [0, 0, 0, 0], [30, 0, 0, 0], [0, 0, 40, 0]]]])


def small_network():
    return [conv(3, 8, 3), cn.ReLU(), cn.MaxPool2d(2), cn.Flatten(), linear(128, 7), cn.ReLU(),
            linear(7, 5)]


def replace_weights(layers):
    for layer in (layers[0], layers[4]):
        layer.weight.data = layer.weight.data * 2
        layer.bias.data = layer.bias.data + 1


def replace_by_another_order(layers):
    for layer in (layers[0], layers[4]):
        layer.weight.data = np.asfortranarray(layer.weight.data)


# What a network may meet, or be changed in, from one step to the next.
CHANGES = {
    "a smaller batch": lambda layers, x: x[:1],
    "planes": lambda layers, x: np.asarray(x, order="C"),
    "channels last": lambda layers, x: x.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2),
    "backwards": lambda layers, x: x[::-1, :, ::-1],
    "whole numbers": lambda layers, x: (10 * x).astype(int),
    "the other byte order": lambda layers, x: x.astype(">f4"),
    "not aligned": lambda layers, x: np.frombuffer(
        b"." + x.tobytes(), np.float32, x.size, offset=1).reshape(x.shape),
    "a list": lambda layers, x: (10 * x).astype(int).tolist(),
    "other weights": lambda layers, x: replace_weights(layers) or x,
    "weights in another order": lambda layers, x: replace_by_another_order(layers) or x,
    "other options": lambda layers, x: setattr(layers[0], "padding", "same") or x[..., :8, :8],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_call_unlike_the_last_one(change, rng):
    model = cn.Sequential(*small_network())
    layers = copy.deepcopy(model.layers)
    x = normal(rng, np.float32, 3, 3, 10, 10)
    assert_same_step(model, layers, x, False, rng)
    for other in (model.layers, layers):
        changed = CHANGES[change](other, x)
    for _ in range(2):
        assert_same_step(model, layers, changed, False, rng)


@pytest.mark.parametrize("wrong, error, text", [
    (lambda x: x.astype(float), TypeError, "x must be float32"),
    (lambda x: x[:, :2], ValueError, "has 2"),
    (lambda x: x[0], ValueError, "4 dimensions"),
    (lambda x: x[..., :9], ValueError, "weight must have shape")], ids=range(4))
def test_a_wrong_call_after_a_right_one(wrong, error, text, rng):
    model = cn.Sequential(*small_network())
    x = normal(rng, np.float32, 3, 3, 10, 10)
    y = model.forward(x)
    with pytest.raises(error, match=text):
        model.forward(wrong(x))
    np.testing.assert_array_equal(model.forward(x), y)
    for dy in (y[:, :4], y[:2], y.astype(float)):
        with pytest.raises((ValueError, TypeError), match="dy"):
            model.backward(dy)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))],
                         ids=["deepcopy", "pickle"])
def test_a_copy_of_a_network_in_use_has_weights_of_its_own(duplicate, rng):
    model = cn.Sequential(*small_network())
    x = normal(rng, np.float32, 3, 3, 10, 10)
    y = model.forward(x)
    other = duplicate(model)
    for parameter in other.parameters():
        parameter.data[...] = 0
    assert not other.forward(x).any()
    np.testing.assert_array_equal(model.forward(x), y)
