"""cross_entropy and mse_loss."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cycnn as cn
import reference
from cycnn import functional as F
from helpers import assert_close, normal
from strategies import dtypes, seeds

pytestmark = pytest.mark.usefixtures("threads")


@given(rows=st.integers(1, 70), classes=st.integers(1, 40), dtype=dtypes, seed=seeds)
def test_cross_entropy(rows, classes, dtype, seed):
    rng = np.random.default_rng(seed)
    logits, labels = 5 * normal(rng, dtype, rows, classes), rng.integers(0, classes, rows)
    loss = F.cross_entropy(logits, labels)
    assert np.ndim(loss) == 0
    np.testing.assert_allclose(loss, reference.cross_entropy(logits, labels),
                               rtol=2e-6 if dtype == np.float32 else 1e-12, atol=1e-6)
    assert_close(F.cross_entropy_backward(logits, labels),
                 reference.cross_entropy_backward(logits, labels))


@pytest.mark.parametrize("row, label, loss", [
    ([1e4, 0, -1e4], 0, 0), ([1e4, 0, -1e4], 1, 1e4), ([-1e30, -1e30], 0, np.log(2)),
    ([1e30, -1e30], 1, 2e30), ([0, -np.inf], 0, 0), ([0, -np.inf], 1, np.inf),
    ([3e38, 3e38, 3e38], 2, np.log(3))])
def test_cross_entropy_is_stable(row, label, loss, dtype):
    logits = np.array([row], dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(F.cross_entropy(logits, np.array([label])), loss, rtol=1e-6)
        gradient = F.cross_entropy_backward(logits, np.array([label]))
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(gradient.sum(), 0, atol=1e-6)


def test_a_sure_and_right_answer_keeps_its_small_loss(dtype):
    """log(1 + e) for small e, not log of something rounded to 1, where the type allows."""
    logits = np.array([[12.0, 0.0]], dtype)
    np.testing.assert_allclose(F.cross_entropy(logits, [0]), np.log1p(np.exp(-12.0)),
                               rtol=0.02 if dtype == np.float32 else 1e-9)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int32, np.int64, np.uint64, list])
def test_labels_of_any_integer_type(kind, dtype, rng):
    logits, labels = normal(rng, dtype, 4, 10), np.array([3, 0, 9, 1])
    expected = F.cross_entropy(logits, labels)
    labels = labels.tolist() if kind is list else labels.astype(kind)
    assert F.cross_entropy(logits, labels) == expected


def test_empty_batch(dtype):
    """The mean of nothing is NaN, as in PyTorch, and no warning."""
    logits, labels = np.zeros((0, 10), dtype), np.zeros(0, np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(F.cross_entropy(logits, labels))
        assert F.cross_entropy_backward(logits, labels).shape == (0, 10)
        assert np.isnan(F.mse_loss(logits, logits))
        assert F.mse_loss_backward(logits, logits).shape == (0, 10)


@given(shape=st.lists(st.integers(1, 20), min_size=1, max_size=4), dtype=dtypes, seed=seeds)
def test_mse_loss(shape, dtype, seed):
    rng = np.random.default_rng(seed)
    prediction, target = normal(rng, dtype, *shape), normal(rng, dtype, *shape)
    np.testing.assert_allclose(F.mse_loss(prediction, target),
                               reference.mse_loss(prediction, target),
                               rtol=1e-5 if dtype == np.float32 else 1e-12)
    assert_close(F.mse_loss_backward(prediction, target),
                 reference.mse_loss_backward(prediction, target))


def test_a_large_batch_is_summed_accurately(dtype):
    """A running float32 sum of this many terms would be off in the fourth digit."""
    logits = np.tile(np.array([[0.1, 0.3]], dtype), (200_000, 1))
    one = reference.cross_entropy(logits[:1], [0])
    tolerance = 1e-6 if dtype == np.float32 else 1e-11
    np.testing.assert_allclose(F.cross_entropy(logits, np.zeros(200_000, int)), one,
                               rtol=tolerance)
    np.testing.assert_allclose(F.mse_loss(logits, np.zeros_like(logits)), 0.05, rtol=tolerance)


def test_a_call_unlike_the_last_one(rng):
    """Of the layer that knows its last call: other sizes, types and orders, and what is wrong."""
    loss = cn.CrossEntropyLoss()
    logits, labels = normal(rng, np.float32, 6, 5), rng.integers(0, 5, 6)
    for call in ((logits, labels), (logits, labels), (logits[:4], labels[:4]),
                 (logits.astype(float), labels), (np.asfortranarray(logits), labels),
                 (logits, labels.astype(np.int32)), (logits, labels[::-1]), (logits, labels)):
        value, gradient = F.cross_entropy_with_gradient(*call)
        assert loss.forward(*call) == value
        np.testing.assert_array_equal(loss.backward(), gradient)
    for wrong, error in (((logits, labels + 5), ValueError), ((logits, labels[:5]), ValueError),
                         ((logits, labels.astype(float)), TypeError)):
        with pytest.raises(error, match="labels"):
            loss.forward(*wrong)
