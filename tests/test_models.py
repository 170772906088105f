"""The ready-made networks, and the table that a summary is."""

import numpy as np
import pytest

import cycnn as cn
from helpers import assert_close, normal

models = cn.models


def parameters(model):
    return sum(parameter.data.size for parameter in model.parameters())


@pytest.mark.parametrize("make, arguments, number", [
    (models.lenet5, (), 61_706), (models.mnist_example, (), 1_199_882),
    (models.resnet8, (), 78_042), (models.resnet20, (), 272_474),
    (models.mobile_small, (), 97_738), (models.convnet, ((1, 28, 28), 10), 50_186)])
def test_number_of_parameters(make, arguments, number):
    assert parameters(make(*arguments)) == number


@pytest.mark.parametrize("make, smallest", [
    (models.lenet5, 12), (models.mnist_example, 6), (models.resnet8, 4), (models.resnet20, 4),
    (models.mobile_small, 4), (models.convnet, 3)])
@pytest.mark.parametrize("channels, classes", [(1, 10), (3, 7), (2, 1)])
def test_any_images_and_classes(make, smallest, channels, classes, rng):
    for height, width in ((28, 28), (32, 32), (smallest, smallest + 9)):
        model = make((channels, height, width), classes)
        x = normal(rng, np.float32, 3, channels, height, width)
        y = model(x)
        assert y.shape == (3, classes)
        assert model.backward(y).shape == x.shape
        assert model.eval()(x).shape == (3, classes)


@pytest.mark.parametrize("make", [models.resnet8, models.resnet20, models.mobile_small])
def test_the_size_of_the_images_does_not_matter_to_some(make, rng):
    model = make(2, 5).eval()
    for size in (16, 29):
        assert model(normal(rng, np.float32, 1, 2, size, size)).shape == (1, 5)
    for name, array in make((2, 16, 16), 5).state_dict().items():
        assert array.shape == model.state_dict()[name].shape


@pytest.mark.parametrize("make", [getattr(models, name) for name in models.__all__])
@pytest.mark.parametrize("shape, classes, error", [
    ((1, 28), 10, ValueError), ((0, 28, 28), 10, ValueError), ((1, 28.5, 28), 10, TypeError),
    ("123", 10, TypeError), ((1, 28, 28), 0, ValueError), ((1, 28, 28), 2.5, TypeError),
    (None, 10, TypeError), (0, 10, (TypeError, ValueError))])
def test_bad_input(make, shape, classes, error):
    with pytest.raises(error, match="input_shape|classes"):
        make(shape, classes)


@pytest.mark.parametrize("make, size", [(models.lenet5, 11), (models.mnist_example, 5)])
def test_images_that_are_too_small(make, size):
    with pytest.raises(ValueError, match="input_shape must be at least"):
        make((1, size, 40), 10)


@pytest.mark.parametrize("make", [models.mnist_example, models.resnet8, models.mobile_small])
def test_models_are_saved_and_loaded(make, tmp_path, rng):
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    model = make()
    x = normal(rng, np.float32, 4, model[0].in_channels, 28, 28)
    model(x)                                                # statistics of its own
    cn.save(model, tmp_path / "model.safetensors")
    again = cn.load(tmp_path / "model.safetensors")
    assert repr(again) == repr(model)
    for name, array in model.state_dict().items():
        assert again.state_dict()[name].dtype == array.dtype
        np.testing.assert_array_equal(again.state_dict()[name], array)
    np.testing.assert_array_equal(again(x), model.eval()(x))


@pytest.mark.parametrize("make", [models.resnet8, models.mobile_small])
def test_a_step_of_training_is_pytorchs(make, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    model = make(1, 4)
    other = in_pytorch(torch, model)
    other.load_state_dict({name: torch.tensor(array) for name, array in model.state_dict().items()})
    x, labels = normal(rng, np.float32, 6, 1, 20, 20), rng.integers(0, 4, 6)
    loss = cn.CrossEntropyLoss()
    value = loss.forward(model(x), labels)
    model.backward(loss.backward(), input_gradient=False)
    expected = torch.nn.functional.cross_entropy(other(torch.tensor(x)), torch.tensor(labels))
    expected.backward()
    np.testing.assert_allclose(value, expected.item(), rtol=1e-5)
    theirs = dict(other.named_parameters())
    for name, parameter in model.named_parameters():
        assert_close(parameter.grad, theirs[name].grad.numpy().astype(np.float64), 5000,
                     err_msg=name)
    for name, array in other.state_dict().items():
        np.testing.assert_allclose(model.state_dict()[name], array.numpy(), rtol=1e-4, atol=1e-5)
    assert_close(model.eval()(x), other.eval()(torch.tensor(x)).detach().numpy(), 5000)


def in_pytorch(torch, module):
    """The same network in torch.nn, whose names are the same."""
    from test_layers import branches

    nn, kind = torch.nn, type(module).__name__
    if kind == "Sequential":
        return nn.Sequential(*[in_pytorch(torch, layer) for layer in module])
    if kind == "Residual":
        parts = [module.body] + [module.shortcut] * (module.shortcut is not None)
        return branches(nn, "residual", *[in_pytorch(torch, part) for part in parts])
    if kind == "GlobalAvgPool2d":
        return nn.AdaptiveAvgPool2d(1)
    config = {name: value for name, value in module.config().items() if name != "dtype"}
    if kind == "BatchNorm2d":
        config.pop("bias")
    return getattr(nn, kind)(**config)


# --- summary -------------------------------------------------------------------------------------

def test_summary(capsys):
    model = cn.Sequential(cn.Conv2d(1, 4, 3), cn.ReLU(), cn.MaxPool2d(2), cn.Flatten(),
                          cn.Linear(36, 3))
    text = model.summary((1, 8, 8))
    assert capsys.readouterr().out == text + "\n" and repr(text) == ""
    lines = text.splitlines()
    assert [line.split() for line in lines[:-1]] == [
        ["Layer", "Output", "shape", "Parameters", "Multiply-adds", "Memory"],
        ["Input", "(N,", "1,", "8,", "8)", "0.2", "KiB"],
        ["0", "Conv2d", "(N,", "4,", "6,", "6)", "40", "1,296", "0.6", "KiB"],
        ["1", "ReLU", "(N,", "4,", "6,", "6)", "0", "0.6", "KiB"],
        ["2", "MaxPool2d", "(N,", "4,", "3,", "3)", "0", "0.1", "KiB"],
        ["3", "Flatten", "(N,", "36)", "0", "0.1", "KiB"],
        ["4", "Linear", "(N,", "3)", "111", "108", "0.0", "KiB"],
        ["Total", "151", "1,404", "1.7", "KiB"]]
    assert lines[-1].startswith("Parameters take 0.6 KiB.")
    assert model.training and all("forward" not in vars(module) for module in model.modules())
    with pytest.raises(ValueError, match="input_shape"):
        model.summary()
    with pytest.raises(ValueError):
        model.summary((2, 8, 8))
    assert all("forward" not in vars(module) for module in model.modules())
    model.input_shape = (1, 8, 8)
    assert model.summary() == text


def test_summary_of_what_is_nested(capsys):
    class Own(cn.Module):
        def __init__(self):
            self.first = cn.Conv2d(2, 3, 1, dtype=np.float64)
            self.gain = cn.Parameter(np.ones(1))

        def forward(self, x):
            return self.first(x) * self.gain.data

    model = cn.Sequential(
        cn.Residual(cn.Sequential(cn.Conv2d(2, 2, 3, padding=1, dtype=np.float64), cn.ReLU())),
        Own(), cn.Concat(cn.Sequential(), cn.ConvTranspose2d(3, 2, 1, dtype=np.float64)))
    rows = [line.split() for line in model.summary((2, 4, 4)).splitlines()]
    capsys.readouterr()
    assert [row[:2] for row in rows[2:-2]] == [
        ["0.body.0", "Conv2d"], ["0.body.1", "ReLU"], ["0", "Residual"],
        ["1.first", "Conv2d"], ["1", "Own"], ["2.1", "ConvTranspose2d"], ["2", "Concat"]]
    adds = 16 * (2 * 2 * 9 + 2 * 3 + 3 * 2)
    assert rows[-2][:3] == ["Total", str(parameters(model)), str(adds)]
    numbers = 16 * (2 + 2 + 2 + 2 + 3 + 3 + 2 + 5)
    assert rows[-2][3:] == [f"{numbers * 8 / 1024:.1f}", "KiB"]


def test_summary_of_a_large_network():
    rows = models.resnet20().summary((3, 32, 32)).splitlines()
    total = next(row for row in rows if "Total" in row).split()
    assert total[:3] == ["Total", "272,474", "40,813,184"]


class TestConvnet:
    @pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (1, 28, 28), (3, 5, 40), (2, 1, 1)])
    def test_any_image_size(self, shape):
        model = models.convnet(shape, 7)
        assert model(np.zeros((2, *shape), np.float32)).shape == (2, 7)

    def test_a_large_image_is_pooled_until_it_is_small(self):
        model = models.convnet((3, 100, 200), 2)
        assert model[-1].in_features == 128 * 6 * 6

    @pytest.mark.parametrize("shape, classes", [((28, 28), 10), ((1, 0, 8), 10), ((1, 8, 8), 0)])
    def test_bad_input(self, shape, classes):
        with pytest.raises(ValueError):
            models.convnet(shape, classes)
