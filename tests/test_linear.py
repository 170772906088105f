"""linear and linear_backward."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from cycnn.functional import linear, linear_backward
from helpers import assert_close, normal, whole
from strategies import channels, dtypes, seeds

pytestmark = pytest.mark.usefixtures("threads")
widths = channels | st.sampled_from([64, 65, 130])


@given(rows=st.integers(0, 35), inputs=widths, outputs=widths, bias=st.booleans(), dtype=dtypes,
       seed=seeds)
def test_any_shape(rows, inputs, outputs, bias, dtype, seed):
    rng = np.random.default_rng(seed)
    for make in (normal, whole):
        x, weight, dy = (make(rng, dtype, *shape) for shape in (
            (rows, inputs), (outputs, inputs), (rows, outputs)))
        vector = make(rng, dtype, outputs) if bias else None
        results = linear(x, weight, vector), *linear_backward(dy, x, weight, bias)
        expected = (reference.linear(x, weight, vector),
                    *reference.linear_backward(dy, x, weight, bias))
        for result, right, terms in zip(results, expected, (inputs, outputs, rows, rows)):
            if right is None:
                assert result is None
            elif make is whole:
                assert result.dtype == dtype
                np.testing.assert_array_equal(result, right)
            else:
                assert_close(result, right, terms)


@pytest.mark.parametrize("rows, inputs, outputs", [
    (1, 1600, 10), (32, 9216, 12), (130, 257, 130), (3, 1, 1000), (200, 100, 1)])
def test_layers_of_networks(rows, inputs, outputs, dtype, rng):
    x, weight, bias, dy = (whole(rng, dtype, *shape) for shape in (
        (rows, inputs), (outputs, inputs), (outputs,), (rows, outputs)))
    np.testing.assert_array_equal(linear(x, weight, bias), x @ weight.T + bias)
    dx, dweight, dbias = linear_backward(dy, x, weight, bias=True)
    np.testing.assert_array_equal(dx, dy @ weight)
    np.testing.assert_array_equal(dweight, dy.T @ x)
    np.testing.assert_array_equal(dbias, dy.sum(0))


def test_without_input_gradient(dtype, rng):
    dy, x, weight = (normal(rng, dtype, *shape) for shape in ((9, 5), (9, 33), (5, 33)))
    dx, dweight, dbias = linear_backward(dy, x, weight, bias=True, input_gradient=False)
    _, expected_weight, expected_bias = linear_backward(dy, x, weight, bias=True)
    assert dx is None
    np.testing.assert_array_equal(dweight, expected_weight)
    np.testing.assert_array_equal(dbias, expected_bias)


def test_empty_batch(dtype):
    x, weight = np.zeros((0, 7), dtype), np.ones((4, 7), dtype)
    y = linear(x, weight, np.ones(4, dtype))
    assert y.shape == (0, 4) and y.dtype == dtype
    dx, dweight, dbias = linear_backward(y, x, weight, bias=True)
    assert dx.shape == (0, 7)
    np.testing.assert_array_equal(dweight, np.zeros((4, 7)))
    np.testing.assert_array_equal(dbias, np.zeros(4))


def test_one_row_is_what_it_is_in_a_batch(dtype, rng):
    """An image's result does not depend on what else is in the batch, bit for bit."""
    x, weight = normal(rng, dtype, 29, 70), normal(rng, dtype, 37, 70)
    together = linear(x, weight)
    for row in (0, 13, 28):
        np.testing.assert_array_equal(linear(x[row:row + 1], weight)[0], together[row])
