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
    for rows, inputs, outputs in ((29, 70, 37), (3, 2500, 11), (130, 1025, 6), (66, 17, 10)):
        x, weight = normal(rng, dtype, rows, inputs), normal(rng, dtype, outputs, inputs)
        together = linear(x, weight)
        for row in (0, rows // 2, rows - 1):
            np.testing.assert_array_equal(linear(x[row:row + 1], weight)[0], together[row])
        np.testing.assert_array_equal(linear(x[1:3], weight), together[1:3])
        np.testing.assert_array_equal(linear(x, weight[2:4]), together[:, 2:4])


def test_what_is_not_finite_stays_in_its_row(dtype, rng):
    x, weight, dy = (normal(rng, dtype, *shape) for shape in ((30, 1030), (9, 1030), (30, 9)))
    expected, expected_dx = linear(x, weight), linear_backward(dy, x, weight)[0]
    x[4, 7], x[29, 1029], dy[3, 8], dy[29, 0] = np.nan, np.inf, np.nan, np.inf
    y, dx = linear(x, weight), linear_backward(dy, x, weight)[0]
    for result, right, rows in ((y, expected, (4, 29)), (dx, expected_dx, (3, 29))):
        assert not np.isfinite(result[list(rows)]).any()
        np.testing.assert_array_equal(np.delete(result, rows, 0), np.delete(right, rows, 0))


@pytest.mark.parametrize("rows, inputs, outputs", [
    (1, 3000, 17), (15, 1040, 13), (129, 520, 30), (200, 33, 140)])
def test_sums_of_several_parts(rows, inputs, outputs, dtype, rng):
    """More terms than are summed at once, more columns than one task has, odd rests of each."""
    x, weight, bias, dy = (whole(rng, dtype, *shape) for shape in (
        (rows, inputs), (outputs, inputs), (outputs,), (rows, outputs)))
    np.testing.assert_array_equal(linear(x, weight, bias), x @ weight.T + bias)
    for result, right in zip(linear_backward(dy, x, weight, bias=True),
                             (dy @ weight, dy.T @ x, dy.sum(0))):
        np.testing.assert_array_equal(result, right)


@pytest.mark.parametrize("inputs, outputs", [(4100, 19), (9000, 3), (1, 9), (50, 1), (97, 260)])
def test_gradients_of_one_row_are_what_they_are_in_a_batch(inputs, outputs, dtype, rng):
    """One row has a way of its own through the weight; its sums have the same order."""
    x, weight, dy = (normal(rng, dtype, *shape) for shape in (
        (11, inputs), (outputs, inputs), (11, outputs)))
    together = linear_backward(dy, x, weight)[0]
    for row in (0, 5, 10):
        alone = slice(row, row + 1)
        dx, dweight, _ = linear_backward(dy[alone], x[alone], weight)
        np.testing.assert_array_equal(dx, together[alone])
        np.testing.assert_array_equal(dweight, dy[alone].T * x[alone])


@pytest.mark.parametrize("rows, inputs, outputs", [(9, 1200, 300), (300, 500, 9), (1300, 70, 40)])
def test_strips_of_few_panels(rows, inputs, outputs, dtype, rng):
    """So many terms that a strip of columns is narrow, odd rests of everything."""
    x, weight, dy = (whole(rng, dtype, *shape) for shape in (
        (rows, inputs), (outputs, inputs), (rows, outputs)))
    for result, right in zip(linear_backward(dy, x, weight), (dy @ weight, dy.T @ x)):
        np.testing.assert_array_equal(result, right)
