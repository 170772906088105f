"""Every backward against finite differences of its forward, in float64."""

from functools import partial

import numpy as np
import pytest

import reference
from cycnn import functional as F
from helpers import normal


def check(rng, forward, backward, *arrays):
    """`backward(dy, *arrays)` gives the gradients of `sum(dy * forward(*arrays))`, in order."""
    dy = normal(rng, np.float64, *np.shape(forward(*arrays)))
    gradients = backward(dy, *arrays)
    if not isinstance(gradients, tuple):
        gradients = (gradients,)
    assert len(gradients) == len(arrays)
    for at, (gradient, array) in enumerate(zip(gradients, arrays)):
        numerical = reference.numerical_gradient(
            lambda value: np.sum(dy * forward(*arrays[:at], value, *arrays[at + 1:])), array)
        np.testing.assert_allclose(gradient, numerical, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("options", [
    {}, {"padding": 1}, {"padding": (2, 0)}, {"stride": 2}, {"stride": (1, 3), "padding": 1},
    {"dilation": 2, "padding": 1}, {"padding": "same"}, {"groups": 2, "stride": 2},
    {"groups": 4}], ids=str)
def test_conv2d(options, rng):
    x = normal(rng, np.float64, 2, 4, 6, 5)
    weight = normal(rng, np.float64, 8, 4 // options.get("groups", 1), 3, 2)
    check(rng, partial(F.conv2d, **options),
          lambda dy, x, weight, _: F.conv2d_backward(dy, x, weight, bias=True, **options),
          x, weight, normal(rng, np.float64, 8))


def test_linear(rng):
    check(rng, F.linear, lambda dy, x, weight, _: F.linear_backward(dy, x, weight, bias=True),
          *(normal(rng, np.float64, *shape) for shape in ((3, 7), (5, 7), (5,))))


POOLINGS = pytest.mark.parametrize("options", [
    dict(kernel_size=2), dict(kernel_size=3, stride=2, padding=1),
    dict(kernel_size=(2, 3), stride=(1, 2), ceil_mode=True)], ids=str)


@POOLINGS
def test_max_pool2d(options, rng):
    def backward(dy, x):
        _, indices = F.max_pool2d(x, **options, return_indices=True)
        return F.max_pool2d_backward(dy, indices, x.shape)

    check(rng, partial(F.max_pool2d, **options), backward, normal(rng, np.float64, 2, 3, 5, 6))


@POOLINGS
@pytest.mark.parametrize("count_include_pad", [True, False])
def test_avg_pool2d(options, count_include_pad, rng):
    options = {**options, "count_include_pad": count_include_pad}
    check(rng, partial(F.avg_pool2d, **options),
          lambda dy, x: F.avg_pool2d_backward(dy, x.shape, **options),
          normal(rng, np.float64, 2, 3, 5, 6))


def test_global_avg_pool2d(rng):
    check(rng, F.global_avg_pool2d, lambda dy, x: F.global_avg_pool2d_backward(dy, x.shape),
          normal(rng, np.float64, 2, 3, 5, 6))


def test_flatten(rng):
    check(rng, F.flatten, lambda dy, x: F.flatten_backward(dy, x.shape),
          normal(rng, np.float64, 2, 3, 4, 2))


@pytest.mark.parametrize("name, from_output", [
    ("relu", True), ("leaky_relu", False), ("tanh", True), ("sigmoid", True), ("elu", False),
    ("gelu", False), ("silu", False), ("softmax", True)])
def test_activations(name, from_output, rng):
    forward, backward = getattr(F, name), getattr(F, f"{name}_backward")
    x = normal(rng, np.float64, 3, 4, 5)
    x[np.abs(x) < 1e-3] = 0.5                       # away from the kink
    check(rng, forward, lambda dy, x: backward(dy, forward(x) if from_output else x), x)


def test_losses(rng):
    """Mean and sum; each row, or number, of "none" is a loss of its own."""
    logits, labels = normal(rng, np.float64, 6, 5), np.array([0, 4, -100, 1, 2, 2])
    soft, weight = rng.dirichlet(np.ones(5), 6), rng.random(5)
    for target in (labels, soft):
        for options in ({}, {"label_smoothing": 0.2, "weight": weight}):
            for reduction in ("mean", "sum", "none"):
                check(rng, partial(F.cross_entropy, labels=target, reduction=reduction, **options),
                      lambda dy, x: np.reshape(dy, (-1, 1)) * F.cross_entropy_backward(
                          x, target, reduction=reduction, **options), logits)
    for name, options in (("mse_loss", {}), ("l1_loss", {}), ("huber_loss", {"delta": 0.7}),
                          ("binary_cross_entropy_with_logits", {"pos_weight": 3 * weight})):
        for reduction in ("mean", "sum", "none"):
            check(rng, partial(getattr(F, name), target=soft, reduction=reduction, **options),
                  lambda dy, x: dy * getattr(F, f"{name}_backward")(
                      x, soft, reduction=reduction, **options), logits)
