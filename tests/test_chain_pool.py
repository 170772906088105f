"""A pool behind any convolution, by every kernel: the layers' own numbers, to the bit."""

import copy

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import cycnn as cn
from cycnn.functional import _algorithm
from cycnn.functional.conv import plan_for
from helpers import normal
from strategies import convolutions


@pytest.fixture(scope="module", params=["auto", "direct", "winograd", "strips"])
def way(request):
    """How convolutions are computed, where it is possible that way."""
    if request.param != "strips":
        with cn.convolution_algorithm(request.param):
            yield
        return
    with pytest.MonkeyPatch.context() as patch, cn.convolution_algorithm("direct"):
        for choice in ("forward_in_strips", "input_gradient_in_strips",
                       "weight_gradient_in_strips"):
            patch.setattr(_algorithm, choice,
                          lambda _, x_shape, weight_shape, options, *__, **___: options[-1] == 1)
        plan_for.cache_clear()
        yield
    plan_for.cache_clear()


def network(case, relu):
    """The convolution with a pool behind, behind a ReLU whose backward pass it takes over."""
    k, c, *kernel = case.weight_shape
    options = dict(dtype=case.dtype, rng=np.random.default_rng(case.seed))
    conv = cn.Conv2d(case.x_shape[1], k, kernel, bias=case.bias, **case.options, **options)
    between = [cn.ReLU()] if relu else []
    return cn.Sequential(cn.Conv2d(2, case.x_shape[1], 1, **options), cn.ReLU(), conv, *between,
                         cn.MaxPool2d(2))


def assert_same_numbers(model, x, rng):
    layers = copy.deepcopy(model.layers)
    expected = x
    for layer in layers:
        expected = layer.forward(expected)
    y = model.forward(x)
    np.testing.assert_array_equal(y, expected)
    dy = normal(rng, x.dtype.type, *y.shape)
    dx = model.backward(dy)
    for layer in reversed(layers):
        dy = layer.backward(dy)
    np.testing.assert_array_equal(dx, dy)
    for ours, other in zip(model.parameters(), cn.Sequential(*layers).parameters(), strict=True):
        np.testing.assert_array_equal(ours.grad, other.grad)


@given(case=convolutions(batches=st.sampled_from([1, 2, 3, 9, 17])), relu=st.booleans(),
       number=st.integers(1, 3))
def test_a_pool_behind_any_convolution(case, relu, number, way, every_kernel_in_parallel):
    assume(min(case.y_shape[2:]) >= 2)
    every_kernel_in_parallel(number)
    rng = np.random.default_rng(case.seed)
    x = normal(rng, case.dtype, case.x_shape[0], 2, *case.x_shape[2:])
    assert_same_numbers(network(case, relu), x, rng)


@pytest.mark.parametrize("kernel, padding", [(3, 0), (3, 1), (3, (0, 1)), (3, (1, 0)), (3, 2),
                                             (5, 0), (5, 1), (5, 2), (5, (1, 2)), (5, (2, 3))])
@pytest.mark.parametrize("size", [(12, 13), (17, 10), (11, 24)], ids=str)
def test_every_place_of_windows_under_tiles(kernel, padding, size, way, every_kernel_in_parallel,
                                            dtype, rng):
    """Whole vectors of channels, so that the Winograd kernels start behind the pool."""
    every_kernel_in_parallel(2)
    model = cn.Sequential(cn.Conv2d(2, 16, 1, dtype=dtype, rng=rng), cn.ReLU(),
                          cn.Conv2d(16, 48, kernel, padding=padding, dtype=dtype, rng=rng),
                          cn.ReLU(), cn.MaxPool2d(2))
    assert_same_numbers(model, normal(rng, dtype, 3, 2, *size), rng)


@pytest.mark.parametrize("relu", [False, True])
def test_nan_wins_its_window(relu, way, dtype, rng):
    model = cn.Sequential(cn.Conv2d(3, 5, 3, padding=1, dtype=dtype, rng=rng),
                          *[cn.ReLU()] * relu, cn.MaxPool2d(2))
    x = normal(rng, dtype, 18, 3, 9, 8)
    x[7, 1, 4, 5] = np.nan
    assert_same_numbers(model, x, rng)
    assert np.isnan(model.forward(x)[7, :, 1:3, 2:4]).all()
