"""Layers by themselves and in networks: gradients, PyTorch side by side, modes, descriptions."""

import numpy as np
import pytest

import cycnn as cn
from helpers import assert_close, channels_last, normal
from reference import numerical_gradient

IMAGES = (3, 4, 7, 6)


def branches(nn, kind, *parts):
    """A Residual or a Concat in PyTorch, with the names that cycnn gives its parts."""
    import torch

    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            names = ("body", "shortcut") if kind == "residual" else map(str, range(len(parts)))
            for name, part in zip(names, parts):
                self.add_module(name, part)

        def forward(self, x):
            results = [part(x) for part in parts]
            if kind == "concat":
                return torch.cat(results, 1)
            return results[0] + (results[1] if len(parts) > 1 else x)

    return Branches()


# Name -> (layer for a dtype, shape of its input, PyTorch's layer for a torch module).
LAYERS = {
    "Conv2d": (lambda dtype: cn.Conv2d(4, 6, 3, dtype=dtype), IMAGES,
               lambda nn: nn.Conv2d(4, 6, 3)),
    "Conv2d, all options": (
        lambda dtype: cn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2),
                                groups=2, bias=False, dtype=dtype), IMAGES,
        lambda nn: nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2),
                             groups=2, bias=False)),
    "Conv2d, same": (lambda dtype: cn.Conv2d(4, 5, 5, padding="same", dtype=dtype), IMAGES,
                     lambda nn: nn.Conv2d(4, 5, 5, padding="same")),
    "Linear": (lambda dtype: cn.Linear(9, 5, dtype=dtype), (4, 9), lambda nn: nn.Linear(9, 5)),
    "Linear, no bias": (lambda dtype: cn.Linear(9, 5, bias=False, dtype=dtype), (4, 9),
                        lambda nn: nn.Linear(9, 5, bias=False)),
    "MaxPool2d": (lambda dtype: cn.MaxPool2d(2), IMAGES, lambda nn: nn.MaxPool2d(2)),
    "MaxPool2d, all options": (
        lambda dtype: cn.MaxPool2d((3, 2), stride=(2, 1), padding=1, dilation=(1, 2),
                                   ceil_mode=True), IMAGES,
        lambda nn: nn.MaxPool2d((3, 2), stride=(2, 1), padding=1, dilation=(1, 2),
                                ceil_mode=True)),
    "AvgPool2d": (lambda dtype: cn.AvgPool2d(2), IMAGES, lambda nn: nn.AvgPool2d(2)),
    "AvgPool2d, all options": (
        lambda dtype: cn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False), IMAGES,
        lambda nn: nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False)),
    "GlobalAvgPool2d": (lambda dtype: cn.GlobalAvgPool2d(), IMAGES,
                        lambda nn: nn.AdaptiveAvgPool2d(1)),
    "Flatten": (lambda dtype: cn.Flatten(), IMAGES, lambda nn: nn.Flatten()),
    "ReLU": (lambda dtype: cn.ReLU(), IMAGES, lambda nn: nn.ReLU()),
    "LeakyReLU": (lambda dtype: cn.LeakyReLU(0.2), IMAGES, lambda nn: nn.LeakyReLU(0.2)),
    "Tanh": (lambda dtype: cn.Tanh(), IMAGES, lambda nn: nn.Tanh()),
    "Sigmoid": (lambda dtype: cn.Sigmoid(), IMAGES, lambda nn: nn.Sigmoid()),
    "Softmax": (lambda dtype: cn.Softmax(), (4, 9), lambda nn: nn.Softmax(dim=-1)),
    "Softmax over channels": (lambda dtype: cn.Softmax(axis=1), IMAGES,
                              lambda nn: nn.Softmax(dim=1)),
    "ELU": (lambda dtype: cn.ELU(0.7), IMAGES, lambda nn: nn.ELU(0.7)),
    "GELU": (lambda dtype: cn.GELU(), IMAGES, lambda nn: nn.GELU()),
    "GELU by tanh": (lambda dtype: cn.GELU("tanh"), IMAGES, lambda nn: nn.GELU("tanh")),
    "SiLU": (lambda dtype: cn.SiLU(), IMAGES, lambda nn: nn.SiLU()),
    "BatchNorm2d": (lambda dtype: cn.BatchNorm2d(4, dtype=dtype), IMAGES,
                    lambda nn: nn.BatchNorm2d(4)),
    "BatchNorm2d, all options": (
        lambda dtype: cn.BatchNorm2d(4, 1e-3, None, affine=False, dtype=dtype), IMAGES,
        lambda nn: nn.BatchNorm2d(4, 1e-3, None, affine=False)),
    "BatchNorm2d, no bias": (
        lambda dtype: cn.BatchNorm2d(4, track_running_stats=False, dtype=dtype, bias=False),
        IMAGES, lambda nn: nn.BatchNorm2d(4, track_running_stats=False, bias=False)),
    "BatchNorm1d of rows": (lambda dtype: cn.BatchNorm1d(9, dtype=dtype), (4, 9),
                            lambda nn: nn.BatchNorm1d(9)),
    "BatchNorm1d": (lambda dtype: cn.BatchNorm1d(5, dtype=dtype), (4, 5, 7),
                    lambda nn: nn.BatchNorm1d(5)),
    "GroupNorm": (lambda dtype: cn.GroupNorm(2, 4, dtype=dtype), IMAGES,
                  lambda nn: nn.GroupNorm(2, 4)),
    "GroupNorm, all options": (lambda dtype: cn.GroupNorm(3, 9, 1e-3, affine=False, dtype=dtype),
                               (4, 9), lambda nn: nn.GroupNorm(3, 9, 1e-3, affine=False)),
    "GroupNorm of one group, no bias": (
        lambda dtype: cn.GroupNorm(1, 5, dtype=dtype, bias=False), (4, 5, 7),
        lambda nn: nn.GroupNorm(1, 5, bias=False)),
    "ConvTranspose2d": (lambda dtype: cn.ConvTranspose2d(4, 6, 3, dtype=dtype), IMAGES,
                        lambda nn: nn.ConvTranspose2d(4, 6, 3)),
    "ConvTranspose2d, all options": (
        lambda dtype: cn.ConvTranspose2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2),
                                         output_padding=(1, 0), groups=2, bias=False,
                                         dilation=(1, 2), dtype=dtype), IMAGES,
        lambda nn: nn.ConvTranspose2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2),
                                      output_padding=(1, 0), groups=2, bias=False,
                                      dilation=(1, 2))),
    "AdaptiveAvgPool2d": (lambda dtype: cn.AdaptiveAvgPool2d(3), IMAGES,
                          lambda nn: nn.AdaptiveAvgPool2d(3)),
    "AdaptiveAvgPool2d, one side": (lambda dtype: cn.AdaptiveAvgPool2d((None, 4)), IMAGES,
                                    lambda nn: nn.AdaptiveAvgPool2d((None, 4))),
    "Upsample": (lambda dtype: cn.Upsample(scale_factor=2), IMAGES,
                 lambda nn: nn.Upsample(scale_factor=2)),
    "Upsample to a size": (lambda dtype: cn.Upsample(size=(5, 17)), IMAGES,
                           lambda nn: nn.Upsample(size=(5, 17))),
    "Upsample by two factors": (lambda dtype: cn.Upsample(scale_factor=(0.6, 1.5)), IMAGES,
                                lambda nn: nn.Upsample(scale_factor=(0.6, 1.5))),
    "ZeroPad2d": (lambda dtype: cn.ZeroPad2d(2), IMAGES, lambda nn: nn.ZeroPad2d(2)),
    "ZeroPad2d, each side": (lambda dtype: cn.ZeroPad2d((1, -2, 0, 3)), IMAGES,
                             lambda nn: nn.ZeroPad2d((1, -2, 0, 3))),
    "Residual": (
        lambda dtype: cn.Residual(cn.Sequential(
            cn.Conv2d(4, 4, 3, padding=1, dtype=dtype), cn.BatchNorm2d(4, dtype=dtype), cn.Tanh())),
        IMAGES, lambda nn: branches(nn, "residual", nn.Sequential(
            nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Tanh()))),
    "Residual with a shortcut": (
        lambda dtype: cn.Residual(cn.Conv2d(4, 6, 3, stride=2, padding=1, dtype=dtype),
                                  cn.Conv2d(4, 6, 1, stride=2, dtype=dtype)), IMAGES,
        lambda nn: branches(nn, "residual", nn.Conv2d(4, 6, 3, stride=2, padding=1),
                            nn.Conv2d(4, 6, 1, stride=2))),
    "Concat": (
        lambda dtype: cn.Concat(cn.Sequential(), cn.Conv2d(4, 3, 3, padding=1, dtype=dtype),
                                cn.Sequential(cn.Conv2d(4, 2, 1, dtype=dtype), cn.Tanh())), IMAGES,
        lambda nn: branches(nn, "concat", nn.Sequential(), nn.Conv2d(4, 3, 3, padding=1),
                            nn.Sequential(nn.Conv2d(4, 2, 1), nn.Tanh()))),
    "Sequential with normalisation": (
        lambda dtype: cn.Sequential(
            cn.Conv2d(4, 5, 3, padding=1, dtype=dtype), cn.BatchNorm2d(5, dtype=dtype), cn.ReLU(),
            cn.MaxPool2d(2), cn.Conv2d(5, 6, 2, dtype=dtype), cn.GroupNorm(3, 6, dtype=dtype),
            cn.ReLU(), cn.Residual(cn.Sequential(cn.Conv2d(6, 6, 1, dtype=dtype),
                                                 cn.BatchNorm2d(6, dtype=dtype))), cn.ReLU(),
            cn.BatchNorm2d(6, dtype=dtype), cn.Flatten(), cn.Linear(24, 4, dtype=dtype),
            cn.BatchNorm1d(4, dtype=dtype), cn.ReLU()), IMAGES,
        lambda nn: nn.Sequential(
            nn.Conv2d(4, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(5, 6, 2), nn.GroupNorm(3, 6), nn.ReLU(),
            branches(nn, "residual", nn.Sequential(nn.Conv2d(6, 6, 1), nn.BatchNorm2d(6))),
            nn.ReLU(), nn.BatchNorm2d(6), nn.Flatten(), nn.Linear(24, 4), nn.BatchNorm1d(4),
            nn.ReLU())),
    "Sequential": (
        lambda dtype: cn.Sequential(
            cn.Conv2d(4, 5, 3, padding=1, dtype=dtype), cn.Tanh(), cn.MaxPool2d(2),
            cn.Sequential(cn.Conv2d(5, 3, 2, dtype=dtype), cn.LeakyReLU()),
            cn.Flatten(), cn.Linear(12, 4, dtype=dtype)), IMAGES,
        lambda nn: nn.Sequential(
            nn.Conv2d(4, 5, 3, padding=1), nn.Tanh(), nn.MaxPool2d(2),
            nn.Sequential(nn.Conv2d(5, 3, 2), nn.LeakyReLU()), nn.Flatten(), nn.Linear(12, 4))),
}
each_layer = pytest.mark.parametrize("name", LAYERS)


def make(name, dtype=np.float64):
    layer, shape, _ = LAYERS[name]
    return layer(dtype), shape


def network(dtype=np.float32):
    return cn.Sequential(cn.Conv2d(1, 4, 3, dtype=dtype), cn.ReLU(), cn.MaxPool2d(2),
                         cn.Flatten(), cn.Linear(36, 3, dtype=dtype))


# --- gradients -------------------------------------------------------------------------------

@each_layer
def test_gradients_by_finite_differences(name, rng):
    layer, shape = make(name)
    x = normal(rng, np.float64, *shape)
    dy = normal(rng, np.float64, *layer(x).shape)

    def loss_of_parameter(parameter):
        original = parameter.data

        def loss(data):
            parameter.data = data
            return (layer(x) * dy).sum()

        gradient = numerical_gradient(loss, original)
        parameter.data = original
        return gradient

    expected = {parameter_name: loss_of_parameter(parameter)
                for parameter_name, parameter in layer.named_parameters()}
    layer(x)
    dx = layer.backward(dy)
    np.testing.assert_allclose(dx, numerical_gradient(lambda x: (layer(x) * dy).sum(), x),
                               rtol=1e-6, atol=1e-7)
    for parameter_name, parameter in layer.named_parameters():
        assert parameter.grad.shape == parameter.data.shape
        np.testing.assert_allclose(parameter.grad, expected[parameter_name], rtol=1e-6, atol=1e-7,
                                   err_msg=parameter_name)


@each_layer
def test_side_by_side_with_pytorch(name, dtype, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    layer, shape = make(name, dtype)
    other = LAYERS[name][2](torch.nn).to(getattr(torch, np.dtype(dtype).name))
    layer.load_state_dict(other.state_dict())
    assert list(layer.state_dict()) == list(other.state_dict())
    x = normal(rng, dtype, *shape)
    variable = torch.tensor(x, requires_grad=True)
    expected = other(variable)
    y = layer(x)
    # One normalisation after another may make much of a rounding.
    more = 30 if "normalisation" in name else 1
    assert_close(y, expected.detach().numpy(), 36 * more)
    dy = normal(rng, dtype, *y.shape)
    expected.backward(torch.tensor(dy))
    assert_close(layer.backward(dy), variable.grad.numpy(), 150 * more)
    for (parameter_name, parameter), theirs in zip(layer.named_parameters(), other.parameters()):
        assert_close(parameter.grad, theirs.grad.numpy(), 150 * more, err_msg=parameter_name)


@each_layer
def test_accumulate_adds_and_otherwise_gradients_are_written(name, rng):
    layer, shape = make(name)
    x = normal(rng, np.float64, *shape)
    dy = normal(rng, np.float64, *layer(x).shape)
    layer.backward(dy, accumulate=True)             # the first has nothing to add to
    first = [parameter.grad.copy() for parameter in layer.parameters()]
    layer.backward(dy)
    for parameter, grad in zip(layer.parameters(), first):
        np.testing.assert_array_equal(parameter.grad, grad)
    layer.backward(dy, accumulate=True)
    for parameter, grad in zip(layer.parameters(), first):
        np.testing.assert_array_equal(parameter.grad, 2 * grad)


@each_layer
def test_without_input_gradient_the_parameters_have_theirs(name, rng):
    layer, shape = make(name)
    x = normal(rng, np.float64, *shape)
    dy = normal(rng, np.float64, *layer(x).shape)
    layer.backward(dy)
    expected = [parameter.grad for parameter in layer.parameters()]
    for parameter in layer.parameters():
        parameter.grad = None
    assert layer.backward(dy, input_gradient=False) is None
    for parameter, grad in zip(layer.parameters(), expected):
        np.testing.assert_array_equal(parameter.grad, grad)


def test_layers_before_the_first_weights_are_spared(rng):
    class Untouched(cn.Tanh):
        def backward(self, dy, input_gradient=True, accumulate=False):
            raise AssertionError("nobody asked for the gradient of the input")

    model = cn.Sequential(Untouched(), cn.Flatten(), cn.Linear(6, 2), cn.Tanh())
    y = model(normal(rng, np.float32, 2, 1, 2, 3))
    assert model.backward(y, input_gradient=False) is None
    assert model[2].weight.grad.shape == (2, 6)
    with pytest.raises(AssertionError, match="nobody asked"):
        model.backward(y)


# --- modes and memory ------------------------------------------------------------------------

@each_layer
def test_backward_needs_a_forward(name):
    layer, _ = make(name)
    with pytest.raises(RuntimeError, match="forward before"):
        layer.backward(np.zeros((1, 4, 5, 5)))


@each_layer
def test_evaluation_mode_keeps_nothing(name, rng):
    layer, shape = make(name)
    x = normal(rng, np.float64, *shape)
    y = layer(x)
    assert layer.eval() is layer and not layer.training
    with pytest.raises(RuntimeError, match=r"evaluation mode.*train\(\)"):
        layer.backward(y)
    if "BatchNorm" not in repr(layer):              # that has statistics of its own now
        np.testing.assert_array_equal(layer(x), y)
    layer(x)
    if not name.startswith("BatchNorm"):            # that goes back through those: test_norm.py
        with pytest.raises(RuntimeError, match="evaluation mode"):
            layer.backward(y)
    assert layer.train().training
    layer(x)
    assert layer.backward(y).shape == x.shape


@each_layer
def test_an_empty_batch_is_fine(name):
    layer, shape = make(name)
    full = layer(np.zeros(shape)).shape
    y = layer(np.zeros((0, *shape[1:])))
    assert y.shape == (0, *full[1:])
    assert layer.backward(y).shape == (0, *shape[1:])
    for parameter in layer.parameters():
        np.testing.assert_array_equal(parameter.grad, np.zeros_like(parameter.data))


@each_layer
def test_images_of_any_memory_format_and_strides(name, rng):
    layer, shape = make(name)
    x = normal(rng, np.float64, *shape)
    dy = normal(rng, np.float64, *layer(x).shape)
    expected = layer(x), layer.backward(dy)
    if x.ndim == 4:
        other = layer(channels_last(x)), layer.backward(channels_last(dy) if dy.ndim == 4 else dy)
    else:
        other = layer(np.asfortranarray(x)), layer.backward(np.asfortranarray(dy))
    for one, two in zip(expected, other):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("channels", [1, 3])
def test_inside_a_network_images_stay_channels_last(channels, rng):
    layers = [cn.Conv2d(channels, 5, 3), cn.ReLU(), cn.MaxPool2d(2), cn.LeakyReLU(),
              cn.Conv2d(5, 4, 2), cn.BatchNorm2d(4), cn.Tanh(), cn.GroupNorm(2, 4), cn.AvgPool2d(2),
              cn.Upsample(scale_factor=3), cn.ZeroPad2d(1), cn.ConvTranspose2d(4, 6, 2, stride=2),
              cn.Dropout(), cn.Dropout2d(), cn.Residual(cn.ELU()), cn.Concat(cn.SiLU(), cn.GELU()),
              cn.AdaptiveAvgPool2d(5), cn.Sigmoid()]
    x = normal(rng, np.float32, 2, channels, 12, 12)
    for layer in layers:
        x = layer(x)
        assert x.transpose(0, 2, 3, 1).flags.c_contiguous, layer
    for layer in reversed(layers):
        x = layer.backward(x)
        assert x.transpose(0, 2, 3, 1).flags.c_contiguous, layer


# --- descriptions ------------------------------------------------------------------------------

@each_layer
def test_repr_is_pytorchs(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    if any(part in repr(make(name, np.float32)[0])
           for part in ("Softmax", "GlobalAvgPool2d", "Residual", "Concat")):
        pytest.skip("PyTorch has no such layer, or one with other arguments")
    theirs = repr(LAYERS[name][2](torch.nn)).replace("(start_dim=1, end_dim=-1)", "()")
    ours = repr(make(name, np.float32)[0])
    if "Norm" in ours and ", bias=" not in theirs:      # older ones do not say
        ours = ours.replace(", bias=True", "").replace(", bias=False", "")
    assert ours == theirs


@each_layer
def test_config_makes_the_same_layer(name):
    layer, _ = make(name, np.float32)
    if isinstance(layer, (cn.Sequential, cn.Concat)):
        pytest.skip("cycnn.save describes it by its layers")
    assert repr(type(layer)(**layer.config())) == repr(layer)


def test_a_sequential_is_a_sequence():
    model = network()
    assert len(model) == 5 and list(model)[4] is model[4] is model[-1]
    assert isinstance(model[:2], cn.Sequential) and model[:2][0] is model[0]
    assert repr(cn.Sequential()) == "Sequential()"
    x = np.ones((1, 2))
    assert cn.Sequential()(x) is x
