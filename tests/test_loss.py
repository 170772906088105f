"""The losses, as functions and as layers."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cycnn as cn
import reference
from calls import assert_identical
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


def test_a_loss_beyond_float32_is_infinite():
    logits = np.array([[1e35, -1e35]], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert F.cross_entropy(logits, [1], [1e10, 1e10], reduction="none") == np.inf


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
        assert np.isnan(F.mse_loss(logits, logits)) and F.mse_loss(logits, logits, "sum") == 0
        assert F.mse_loss(logits, logits, "none").shape == (0, 10)
        assert np.isnan(F.cross_entropy(logits, logits, label_smoothing=0.1))
        assert F.cross_entropy(logits, labels, reduction="sum") == 0
        assert F.mse_loss_backward(logits, logits).shape == (0, 10)


shapes = st.lists(st.integers(1, 20), min_size=1, max_size=4)
reductions = st.sampled_from(["mean", "sum", "none"])


def check_loss(name, prediction, target, **options):
    """The function and its gradient, against the reference."""
    loss = getattr(F, name)(prediction, target, **options)
    expected = np.asarray(getattr(reference, name)(prediction, target, **options))
    if options.get("reduction") == "none":
        assert loss.dtype == prediction.dtype
    else:
        assert type(loss) is float
    np.testing.assert_allclose(loss, expected, rtol=1e-5 if prediction.dtype == np.float32
                               else 1e-12, atol=1e-6 if prediction.dtype == np.float32 else 1e-14)
    assert_close(getattr(F, f"{name}_backward")(prediction, target, **options),
                 getattr(reference, f"{name}_backward")(prediction, target, **options))


@given(rows=st.integers(1, 40), classes=st.integers(1, 40), dtype=dtypes, seed=seeds,
       reduction=reductions, label_smoothing=st.sampled_from([0.0, 0.1, 1.0]),
       weighted=st.booleans(), ignore_index=st.sampled_from([-100, -1, 0, 3]), soft=st.booleans())
def test_cross_entropy_with_options(rows, classes, dtype, seed, reduction, label_smoothing,
                                    weighted, ignore_index, soft):
    rng = np.random.default_rng(seed)
    logits, labels = 5 * normal(rng, dtype, rows, classes), rng.integers(0, classes, rows)
    labels[rng.random(rows) < 0.3] = ignore_index
    labels[0] = classes - 1
    if soft:
        labels, ignore_index = rng.dirichlet(np.ones(classes), rows).astype(dtype), -1
    elif classes - 1 == ignore_index:       # the one label that should count
        ignore_index = -1
        labels[labels == -1] = 0
    weight = rng.random(classes) + 0.1 if weighted else None
    check_loss("cross_entropy", logits, labels, weight=weight, ignore_index=ignore_index,
               reduction=reduction, label_smoothing=label_smoothing)


@given(shape=shapes, dtype=dtypes, seed=seeds, reduction=reductions,
       name=st.sampled_from(["mse_loss", "l1_loss", "huber_loss"]))
def test_elementwise_loss(shape, dtype, seed, reduction, name):
    rng = np.random.default_rng(seed)
    prediction, target = normal(rng, dtype, *shape), normal(rng, dtype, *shape)
    check_loss(name, prediction, target, reduction=reduction,
               **({"delta": 0.5 + rng.random()} if name == "huber_loss" else {}))


@given(shape=shapes, dtype=dtypes, seed=seeds, reduction=reductions, weighted=st.booleans(),
       pos_weighted=st.booleans())
def test_binary_cross_entropy(shape, dtype, seed, reduction, weighted, pos_weighted):
    rng = np.random.default_rng(seed)
    prediction, target = 5 * normal(rng, dtype, *shape), rng.random(shape).astype(dtype)
    check_loss("binary_cross_entropy_with_logits", prediction, target, reduction=reduction,
               weight=rng.random(shape[:1] + [1] * (len(shape) - 1)).astype(dtype)
               if weighted else None,
               pos_weight=3 * rng.random(shape[-1:]).astype(dtype) if pos_weighted else None)


def test_losses_of_more_than_one_task(dtype, rng):
    prediction, target = normal(rng, dtype, 3, 9001), rng.random((3, 9001)).astype(dtype)
    for name in ("mse_loss", "l1_loss", "huber_loss", "binary_cross_entropy_with_logits"):
        for reduction in ("mean", "none"):
            check_loss(name, prediction, target, reduction=reduction)


@pytest.mark.parametrize("logit, target, loss, slope", [
    (1e4, 1, 0, 0), (1e4, 0, 1e4, 1), (-1e4, 0, 0, 0), (-1e4, 1, 1e4, -1), (0, 0.5, np.log(2), 0),
    (-80, 0, np.exp(-80), np.exp(-80)), (80, 1, np.exp(-80), -np.exp(-80))])
def test_binary_cross_entropy_is_stable(logit, target, loss, slope, dtype):
    """And exact where it is nearly 0: no 1 - sigmoid(x) that rounds to nothing."""
    logit, target = np.array([logit], dtype), np.array([target], dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = F.binary_cross_entropy_with_logits(logit, target)
        gradient = F.binary_cross_entropy_with_logits_backward(logit, target)
    np.testing.assert_allclose(value, loss, rtol=1e-5)
    np.testing.assert_allclose(gradient, [slope], rtol=1e-5)


def test_a_class_that_is_impossible_and_not_wanted(dtype):
    """0 times infinity would be NaN."""
    logits, soft = np.array([[0, 1, -np.inf]], dtype), np.array([[0.5, 0.5, 0]], dtype)
    loss, gradient = F.cross_entropy_with_gradient(logits, soft)
    expected, expected_gradient = F.cross_entropy_with_gradient(logits[:, :2], soft[:, :2])
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    np.testing.assert_allclose(gradient, [[*expected_gradient[0], 0]], rtol=1e-6)


def test_rows_to_be_ignored_are_as_if_they_were_not_there(dtype, rng):
    logits, labels = normal(rng, dtype, 40, 7), rng.integers(0, 7, 40)
    known = rng.random(40) < 0.6
    logits[~known] = np.nan
    labels[~known] = -100
    loss, gradient = F.cross_entropy_with_gradient(logits, labels)
    expected, expected_gradient = F.cross_entropy_with_gradient(logits[known], labels[known])
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    assert_close(gradient[known], expected_gradient)
    np.testing.assert_array_equal(gradient[~known], 0)
    with warnings.catch_warnings():         # nothing is left: the mean of nothing, no step
        warnings.simplefilter("error")
        loss, gradient = F.cross_entropy_with_gradient(logits, np.full(40, -100))
    assert np.isnan(loss)
    np.testing.assert_array_equal(gradient, 0)


LOSSES = [("CrossEntropyLoss", "cross_entropy", dict(label_smoothing=0.1, weight=[1, 2, 3, 4])),
          ("CrossEntropyLoss", "cross_entropy", dict(ignore_index=1)),
          ("MSELoss", "mse_loss", {}), ("L1Loss", "l1_loss", {}),
          ("HuberLoss", "huber_loss", dict(delta=0.5)),
          ("BCEWithLogitsLoss", "binary_cross_entropy_with_logits",
           dict(pos_weight=[1, 2, 3, 4], weight=[0.5, 1, 1, 1]))]


@pytest.mark.parametrize("name, function, options", LOSSES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_layers_are_the_functions(name, function, options, reduction, dtype, rng):
    loss = getattr(cn, name)(reduction=reduction, **options)
    with pytest.raises(RuntimeError, match="forward before"):
        loss.backward()
    prediction, target = normal(rng, dtype, 6, 4), rng.random((6, 4)).astype(dtype)
    if name == "CrossEntropyLoss":
        target = rng.integers(0, 4, 6)
    value = loss(prediction, target)
    arrays = {key: np.array(array, dtype) if isinstance(array, list) else array
              for key, array in options.items()}
    assert_identical(value, getattr(F, function)(prediction, target, reduction=reduction, **arrays))
    assert_identical(loss.backward(), getattr(F, f"{function}_backward")(
        prediction, target, reduction=reduction, **arrays))
    once = loss.backward()
    before = once.copy()
    once *= 0                               # whoever has it may change it
    assert_identical(loss.backward(), before)
    for wrong in ((prediction, target[:5]), ("a", target)):
        loss(prediction, target)
        with pytest.raises((ValueError, TypeError), match="target|prediction"):
            loss(*wrong)
        with pytest.raises(RuntimeError, match="forward before"):
            loss.backward()                 # not the gradient of the batch before
    assert repr(loss).startswith(f"{name}(") and f"reduction='{reduction}'" in repr(loss)


@pytest.mark.parametrize("call, error, message", [
    (lambda: cn.CrossEntropyLoss(label_smoothing=-0.1), ValueError, "label_smoothing"),
    (lambda: cn.CrossEntropyLoss(label_smoothing=1.1), ValueError, "label_smoothing"),
    (lambda: cn.CrossEntropyLoss(label_smoothing="some"), TypeError, "label_smoothing"),
    (lambda: cn.CrossEntropyLoss(weight=[1, -1]), ValueError, "weight"),
    (lambda: cn.CrossEntropyLoss(weight=[1, np.nan]), ValueError, "weight"),
    (lambda: cn.CrossEntropyLoss(weight=[[1, 2]]), ValueError, "weight"),
    (lambda: cn.CrossEntropyLoss(weight="balanced"), TypeError, "weight"),
    (lambda: cn.CrossEntropyLoss(ignore_index=1.5), TypeError, "ignore_index"),
    (lambda: cn.CrossEntropyLoss(ignore_index=None), TypeError, "ignore_index"),
    (lambda: cn.CrossEntropyLoss(ignore_index=2**63), ValueError, "ignore_index"),
    (lambda: cn.CrossEntropyLoss(reduction="average"), ValueError, "reduction"),
    (lambda: cn.MSELoss("average"), ValueError, "reduction"),
    (lambda: cn.L1Loss(None), ValueError, "reduction"),
    (lambda: cn.HuberLoss(delta=0), ValueError, "delta"),
    (lambda: cn.HuberLoss(delta=-1), ValueError, "delta"),
    (lambda: cn.HuberLoss(delta=np.inf), ValueError, "delta"),
    (lambda: cn.BCEWithLogitsLoss(pos_weight=[np.nan]), ValueError, "pos_weight"),
    (lambda: cn.BCEWithLogitsLoss(weight="a"), TypeError, "weight"),
    (lambda: cn.CrossEntropyLoss(weight=[1, 2])(np.ones((3, 4)), [0, 1, 1]), ValueError, "weight"),
    (lambda: cn.BCEWithLogitsLoss(pos_weight=[1, 2])(np.ones((3, 4)), np.ones((3, 4))), ValueError,
     "pos_weight"),
    (lambda: cn.BCEWithLogitsLoss(weight=np.ones((2, 3, 4)))(np.ones((3, 4)), np.ones((3, 4))),
     ValueError, "weight"),
    (lambda: cn.BCEWithLogitsLoss()(np.ones((3, 4)), np.ones((3, 1))), ValueError, "target"),
    (lambda: cn.CrossEntropyLoss()(np.ones((3, 4)), np.ones((3, 3))), ValueError,
     "target.*that of prediction"),
    (lambda: cn.CrossEntropyLoss()(np.ones((3, 4)), np.ones((3, 4), np.float32)), TypeError,
     "target"),
    (lambda: cn.CrossEntropyLoss()(np.ones((3, 4)), [0, 1, -101]), ValueError, "target"),
    (lambda: cn.CrossEntropyLoss()(np.ones((3, 4)), [0, 1]), ValueError, "target.*of prediction"),
    (lambda: cn.CrossEntropyLoss()(np.ones((3, 0)), [0, 1, 1]), ValueError, "prediction"),
    (lambda: cn.CrossEntropyLoss()(np.ones(3), [0, 1, 1]), ValueError, "prediction"),
    (lambda: F.cross_entropy(np.ones(3), [0, 1, 1]), ValueError, "logits"),
    (lambda: F.cross_entropy(np.ones((3, 4)), [0, 1, 4]), ValueError, "labels"),
    (lambda: F.cross_entropy(np.ones((3, 4)), np.ones((3, 4)), ignore_index=0), ValueError,
     "ignore_index.*labels"),
    (lambda: cn.CrossEntropyLoss(ignore_index=1)(np.ones((3, 4)), np.ones((3, 4))), ValueError,
     "ignore_index.*target"),
    (lambda: cn.CrossEntropyLoss(ignore_index=1).check_targets(np.ones((3, 4)), (4,), np.float64),
     ValueError, "ignore_index"),
    (lambda: cn.CrossEntropyLoss(ignore_index=0)(np.ones((3, 4)), [0, 1, -1]), ValueError,
     "target"),
    (lambda: cn.CrossEntropyLoss()(np.ones((3, 4)), [0, -100, 4]), ValueError, "got 4"),
])
def test_impossible_losses(call, error, message):
    with pytest.raises(error, match=message):
        call()


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
        with pytest.raises(error, match="target"):
            loss.forward(*wrong)
