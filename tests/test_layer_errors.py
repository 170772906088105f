"""What layers refuse: options, images and networks that cannot be."""

import numpy as np
import pytest

import cycnn as cn
from helpers import normal
from test_layers import network


@pytest.mark.parametrize("arguments, message", [
    (dict(in_channels=0), "in_channels"), (dict(out_channels=-1), "out_channels"),
    (dict(kernel_size=0), "kernel_size"), (dict(kernel_size=(3, 3, 3)), "kernel_size"),
    (dict(kernel_size=8608480567731124087), "kernel_size"), (dict(stride=0), "stride"),
    (dict(stride=-1), "stride"), (dict(dilation=0), "dilation"), (dict(padding=-1), "padding"),
    (dict(padding="full"), "padding"), (dict(padding="same", stride=2), "stride 1"),
    (dict(groups=0), "groups"), (dict(groups=3), "groups"),
    (dict(in_channels=2**31 - 2, kernel_size=2**16), "too large")])
def test_impossible_convolutions(arguments, message):
    with pytest.raises(ValueError, match=message):
        cn.Conv2d(**{"in_channels": 4, "out_channels": 6, "kernel_size": 3, **arguments})


@pytest.mark.parametrize("make_layer, error", [
    (lambda: cn.Conv2d(4, 6, 2.5), TypeError), (lambda: cn.Conv2d(4, 6, 3, dtype=int), TypeError),
    (lambda: cn.Conv2d(4, 6, 3, rng="a"), TypeError), (lambda: cn.Linear(3, True), TypeError),
    (lambda: cn.Linear(3, 2, dtype=np.float16), TypeError), (lambda: cn.Linear(0, 2), ValueError),
    (lambda: cn.MaxPool2d(2, padding=2), ValueError), (lambda: cn.MaxPool2d(0), ValueError),
    (lambda: cn.AvgPool2d(2, stride=0), ValueError), (lambda: cn.AvgPool2d("2"), TypeError),
    (lambda: cn.BatchNorm2d(0), ValueError), (lambda: cn.BatchNorm2d(4.0), TypeError),
    (lambda: cn.BatchNorm2d(2**31), ValueError), (lambda: cn.BatchNorm1d(3, eps=-1), ValueError),
    (lambda: cn.BatchNorm2d(4, momentum=1.5), ValueError),
    (lambda: cn.BatchNorm2d(4, momentum="0.1"), TypeError),
    (lambda: cn.BatchNorm2d(4, dtype=int), TypeError), (lambda: cn.GroupNorm(3, 4), ValueError),
    (lambda: cn.GroupNorm(0, 4), ValueError), (lambda: cn.GroupNorm(2, "4"), TypeError),
    (lambda: cn.Dropout(1.5), ValueError), (lambda: cn.Dropout2d(-0.5), ValueError),
    (lambda: cn.Dropout("0.5"), TypeError), (lambda: cn.ELU(float("inf")), ValueError),
    (lambda: cn.GELU("tan"), ValueError), (lambda: cn.AdaptiveAvgPool2d(0), ValueError),
    (lambda: cn.AdaptiveAvgPool2d((1, 2, 3)), ValueError),
    (lambda: cn.AdaptiveAvgPool2d(2.0), TypeError), (lambda: cn.Upsample(), ValueError),
    (lambda: cn.Upsample(2, 2), ValueError), (lambda: cn.Upsample(scale_factor=0), ValueError),
    (lambda: cn.Upsample(2, mode="bicubic"), ValueError),
    (lambda: cn.ZeroPad2d((1, 2)), ValueError), (lambda: cn.ZeroPad2d(0.5), TypeError),
    (lambda: cn.ConvTranspose2d(4, 6, 3, groups=3), ValueError),
    (lambda: cn.ConvTranspose2d(4, 6, 3, output_padding=1), ValueError),
    (lambda: cn.ConvTranspose2d(4, 6, 0), ValueError),
    (lambda: cn.ConvTranspose2d(4, 6, 3, padding="same"), TypeError),
    (lambda: cn.Residual(3), TypeError), (lambda: cn.Residual(cn.ReLU(), cn.ReLU), TypeError),
    (lambda: cn.Concat(), ValueError), (lambda: cn.Concat([cn.ReLU()]), TypeError),
    (lambda: cn.LeakyReLU(float("nan")), ValueError), (lambda: cn.Softmax(1.5), TypeError),
    (lambda: cn.Sequential(cn.ReLU), TypeError), (lambda: cn.Sequential([cn.ReLU()]), TypeError),
    (lambda: cn.Parameter(np.arange(3)), TypeError)])
def test_impossible_layers(make_layer, error):
    with pytest.raises(error):
        make_layer()


def test_one_layer_cannot_stand_in_two_places():
    relu = cn.ReLU()
    with pytest.raises(ValueError, match="twice"):
        cn.Sequential(cn.Conv2d(1, 2, 3), relu, cn.Sequential(cn.Conv2d(2, 2, 3), relu))
    for make_branches in (cn.Residual, cn.Concat):
        with pytest.raises(ValueError, match="twice"):
            make_branches(relu, relu)


def test_branches_that_do_not_fit(rng):
    x = normal(rng, np.float32, 2, 4, 7, 6)
    with pytest.raises(ValueError, match="shortcut must give"):
        cn.Residual(cn.Conv2d(4, 4, 3))(x)
    with pytest.raises(ValueError, match=r"arrays\[1\]"):
        cn.Concat(cn.Sequential(), cn.Conv2d(4, 4, 3))(x)


@pytest.mark.parametrize("layer, shape, message", [
    (cn.BatchNorm2d(4), (2, 3, 5, 5), "4 channels"), (cn.BatchNorm2d(4), (2, 4), "dimensions"),
    (cn.BatchNorm1d(4), (2, 4, 5, 5), "dimensions"), (cn.BatchNorm1d(4), (1, 4), "more than one"),
    (cn.GroupNorm(2, 4), (2, 6, 5, 5), "4 channels"), (cn.GroupNorm(2, 4), (4,), "dimensions"),
    (cn.GroupNorm(4, 4), (1, 4, 1, 1), "more than one"),
    (cn.ConvTranspose2d(4, 2, 3), (2, 3, 5, 5), "weight"),
    (cn.Dropout2d(), (2, 3), "4 dimensions"),
    (cn.Upsample(scale_factor=0.1), (1, 1, 5, 5), "scale"),
    (cn.ZeroPad2d(-3), (1, 1, 5, 5), "padding")])
def test_images_that_do_not_fit(layer, shape, message):
    before = {name: array.copy() for name, array in layer.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        layer(np.zeros(shape, np.float32))
    for name, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_an_error_says_in_which_layer(rng):
    model = cn.Sequential(cn.Conv2d(1, 4, 3), cn.ReLU(), cn.Flatten(), cn.Linear(99, 3))
    with pytest.raises(ValueError, match="99") as caught:
        model(normal(rng, np.float32, 2, 1, 6, 6))
    assert caught.value.__notes__ == [
        "in layer 3, Linear(in_features=99, out_features=3, bias=True)"]


@pytest.mark.parametrize("x, error", [
    (np.zeros((2, 3, 8, 8), np.float32), ValueError), (np.zeros((1, 8, 8), np.float32), ValueError),
    (np.zeros((2, 1, 2, 2), np.float32), ValueError), (np.zeros((2, 1, 8, 8)), TypeError),
    (np.zeros((2, 1, 8, 8), complex), TypeError), (np.zeros((2, 1, 8, 8), object), TypeError),
    (np.full((2, 1, 8, 8), "a"), TypeError)])
def test_wrong_images(x, error):
    with pytest.raises(error):
        network()(x)


def test_integer_images_take_the_type_of_the_weights(dtype):
    y = network(dtype)(np.ones((2, 1, 8, 8), np.uint8))
    assert y.dtype == dtype
