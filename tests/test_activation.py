"""ReLU, LeakyReLU, tanh, sigmoid, ELU, GELU, SiLU and softmax, forward and backward."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from cycnn import functional as F
from helpers import assert_close, normal
from strategies import dtypes, seeds

pytestmark = pytest.mark.usefixtures("threads")

# name -> whether the gradient is a function of the output (else of the input)
FROM_OUTPUT = {"relu": True, "leaky_relu": False, "tanh": True, "sigmoid": True, "elu": False,
               "gelu": False, "silu": False}
names = pytest.mark.parametrize("name", FROM_OUTPUT)
shapes = st.lists(st.integers(0, 9) | st.sampled_from([15, 16, 17, 33]), min_size=1, max_size=4)


def gradient_of(name, dy, x, **options):
    of = getattr(F, name)(x, **options) if FROM_OUTPUT[name] else x
    return getattr(F, f"{name}_backward")(dy, of, **options)


@names
@given(shape=shapes, dtype=dtypes, seed=seeds)
def test_any_shape(name, shape, dtype, seed):
    rng = np.random.default_rng(seed)
    x, dy = 4 * normal(rng, dtype, *shape), normal(rng, dtype, *shape)
    y = getattr(F, name)(x)
    assert_close(y, getattr(reference, name)(x))
    expected = getattr(reference, f"{name}_backward")(dy, y if FROM_OUTPUT[name] else x)
    assert_close(gradient_of(name, dy, x), expected)


@names
@pytest.mark.parametrize("x", [0.0, -0.0, 1e-30, -1e-30, 5.0, -5.0, 88.8, -88.8, 710.0, -710.0,
                               1e30, -1e30, np.inf, -np.inf])
def test_special_values(name, x, dtype):
    array = np.full(37, x, dtype)                    # vectors and the rest after them
    y, expected = getattr(F, name)(array), getattr(reference, name)(array)
    np.testing.assert_allclose(y, expected, rtol=1e-5 if dtype == np.float32 else 1e-12,
                               atol=np.finfo(dtype).tiny)
    assert np.isfinite(gradient_of(name, np.ones(37, dtype), array)).all()


@names
@pytest.mark.parametrize("at", [0, 5, 16, 36])
def test_nan_propagates(name, at, dtype):
    x = np.linspace(-3, 3, 37, dtype=dtype)
    x[at] = np.nan
    np.testing.assert_array_equal(np.isnan(getattr(F, name)(x)), np.isnan(x))


def test_relu_has_no_gradient_at_zero(dtype):
    zeros = np.array([0.0, -0.0] * 20, dtype)
    np.testing.assert_array_equal(gradient_of("relu", np.ones(40, dtype), zeros), np.zeros(40))


@pytest.mark.parametrize("slope", [0.0, 0.2, 1.5, -0.5])
def test_leaky_relu_takes_any_slope(slope, dtype, rng):
    x, dy = normal(rng, dtype, 61), normal(rng, dtype, 61)
    assert_close(F.leaky_relu(x, slope), reference.leaky_relu(x, slope))
    assert_close(F.leaky_relu_backward(dy, x, negative_slope=slope),
                 reference.leaky_relu_backward(dy, x, slope))


def test_tanh_and_sigmoid_are_accurate_everywhere(dtype):
    """To a few units in the last place, near zero and in the tails too."""
    x = np.concatenate([np.linspace(-12, 12, 4001), np.geomspace(1e-12, 1, 500),
                        -np.geomspace(1e-12, 1, 500)]).astype(dtype)
    limit = 8 * np.finfo(dtype).eps
    np.testing.assert_allclose(F.tanh(x), reference.tanh(x), rtol=limit)
    np.testing.assert_allclose(F.sigmoid(x), reference.sigmoid(x), rtol=2 * limit)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 2.0, -1.5])
def test_elu_takes_any_alpha(alpha, dtype, rng):
    x, dy = 3 * normal(rng, dtype, 61), normal(rng, dtype, 61)
    assert_close(F.elu(x, alpha), reference.elu(x, alpha))
    assert_close(F.elu_backward(dy, x, alpha=alpha), reference.elu_backward(dy, x, alpha))


def test_gelu_by_tanh(dtype, rng):
    x, dy = 3 * normal(rng, dtype, 999), normal(rng, dtype, 999)
    assert_close(F.gelu(x, "tanh"), reference.gelu(x, "tanh"))
    assert_close(F.gelu_backward(dy, x, approximate="tanh"),
                 reference.gelu_backward(dy, x, "tanh"))
    assert np.abs(F.gelu(x, "tanh") - F.gelu(x)).max() > 1e-4           # it is another function
    for far in (1e30, np.inf, -1e4, -np.inf):
        gradient = F.gelu_backward(np.ones(20, dtype), np.full(20, far, dtype), "tanh")
        np.testing.assert_allclose(gradient, far > 0)


def test_gelu_elu_and_silu_are_accurate_everywhere(dtype):
    """Relative to the result, also where that is a tiny number."""
    x = np.concatenate([np.linspace(-6, 12, 4001), np.geomspace(1e-12, 1, 500),
                        -np.geomspace(1e-12, 1, 500)]).astype(dtype)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(F.gelu(x), reference.gelu(x), rtol=40 * eps)
    np.testing.assert_allclose(F.elu(x), reference.elu(x), rtol=8 * eps)
    np.testing.assert_allclose(F.silu(x), reference.silu(x), rtol=16 * eps)


@given(shape=st.lists(st.integers(1, 5) | st.sampled_from([10, 17, 33]), min_size=1, max_size=4),
       axis=st.integers(0, 3), negative=st.booleans(), dtype=dtypes, seed=seeds)
def test_softmax(shape, axis, negative, dtype, seed):
    axis = axis % len(shape) - (len(shape) if negative else 0)
    rng = np.random.default_rng(seed)
    x, dy = 6 * normal(rng, dtype, *shape), normal(rng, dtype, *shape)
    y = F.softmax(x, axis=axis)
    assert_close(y, reference.softmax(x, axis))
    assert_close(F.softmax_backward(dy, y, axis=axis), reference.softmax_backward(dy, y, axis))


@pytest.mark.parametrize("row, expected", [
    ([1e4, 1e4, -1e4], [0.5, 0.5, 0]), ([3e38, -3e38, 0], [1, 0, 0]),
    ([-3e38, -3e38, -3e38], [1 / 3, 1 / 3, 1 / 3]), ([0, -np.inf, 0], [0.5, 0, 0.5])])
def test_softmax_is_stable(row, expected, dtype):
    x = np.array([row] * 5, dtype)
    np.testing.assert_allclose(F.softmax(x), [expected] * 5, rtol=1e-6)
    np.testing.assert_allclose(F.softmax(x.T, axis=0), np.transpose([expected] * 5), rtol=1e-6)


def test_softmax_keeps_nan_to_its_row(dtype, rng):
    x = normal(rng, dtype, 4, 10)
    x[2, 3] = np.nan
    np.testing.assert_array_equal(np.isnan(F.softmax(x)).all(1), [False, False, True, False])
    np.testing.assert_array_equal(np.isnan(F.softmax(x)).any(1), [False, False, True, False])


def test_softmax_of_an_empty_batch(dtype):
    x = np.zeros((0, 10), dtype)
    assert F.softmax(x).shape == F.softmax_backward(x, x).shape == (0, 10)
