"""Accuracy, top k, confusion matrix, precision, recall and F1."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import cycnn as cn
from cycnn.metrics import (accuracy, classification_report, confusion_matrix, precision_recall_f1,
                           top_k_accuracy)


@given(seed=st.integers(0, 999), rows=st.integers(1, 20), classes=st.integers(1, 7),
       values=st.integers(1, 9), nan=st.booleans())
def test_top_k(seed, rows, classes, values, nan):
    """Against a stable sort, in which NaN is largest."""
    rng = np.random.default_rng(seed)
    outputs = rng.integers(0, values, (rows, classes)).astype(np.float64)
    if nan:
        outputs[rng.random(outputs.shape) < 0.2] = np.nan
    labels = rng.integers(0, classes, rows)
    for k in range(1, classes + 1):
        right = 0
        for row, label in zip(outputs, labels):
            ranked = sorted(range(classes), key=lambda c: (not np.isnan(row[c]), -row[c]))
            ranked = [c for c in ranked if np.isnan(row[c])] + sorted(
                (c for c in ranked if not np.isnan(row[c])), key=lambda c: (-row[c], c))
            right += label in ranked[:k] and not np.isnan(row[label])
        assert top_k_accuracy(outputs, labels, k) == pytest.approx(right / rows)
    if not nan:
        assert top_k_accuracy(outputs, labels, 1) == accuracy(outputs, labels)
        assert top_k_accuracy(outputs, labels, classes) == 1


def test_confusion_matrix():
    labels, predictions = [0, 0, 1, 2, 2, 2], [0, 1, 1, 2, 0, 0]
    expected = [[1, 1, 0], [0, 1, 0], [2, 0, 1]]
    np.testing.assert_array_equal(confusion_matrix(predictions, labels), expected)
    np.testing.assert_array_equal(confusion_matrix(np.eye(3)[predictions], labels), expected)
    larger = confusion_matrix(predictions, labels, classes=4)
    assert larger.shape == (4, 4) and larger.dtype == np.int64 and larger[3].sum() == 0
    assert confusion_matrix([], []).shape == (1, 1)
    assert confusion_matrix([0, 5], [2, 0]).shape == (6, 6)


def test_precision_recall_f1():
    matrix = [[5, 2, 0, 0], [1, 3, 0, 0], [0, 4, 0, 0], [0, 0, 0, 0]]
    precision, recall, f1 = precision_recall_f1(matrix)
    np.testing.assert_allclose(precision, [5 / 6, 3 / 9, 0, 0])
    np.testing.assert_allclose(recall, [5 / 7, 3 / 4, 0, 0])
    expected = 2 * precision[:2] * recall[:2] / (precision + recall)[:2]
    np.testing.assert_allclose(f1, [*expected, 0, 0])


def test_the_numbers_are_scikit_learns(rng):
    sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    labels, predictions = rng.integers(0, 6, 200), rng.integers(0, 5, 200)
    matrix = confusion_matrix(predictions, labels)
    np.testing.assert_array_equal(matrix, sklearn.confusion_matrix(labels, predictions))
    expected = sklearn.precision_recall_fscore_support(labels, predictions, zero_division=0)
    np.testing.assert_allclose(precision_recall_f1(matrix), expected[:3])


def test_report():
    matrix = np.array([[30, 10], [0, 60]])
    lines = classification_report(matrix, ["cat", "a dog"]).splitlines()
    assert lines[0].split() == ["class", "precision", "recall", "F1", "images"]
    assert lines[1].split() == ["cat", "1.0000", "0.7500", "0.8571", "40"]
    assert lines[2].split() == ["a", "dog", "0.8571", "1.0000", "0.9231", "60"]
    assert lines[3].split()[3:] == ["0.9286", "0.8750", "0.8901", "100"]
    assert lines[4].split()[3:] == ["0.9143", "0.9000", "0.8967", "100"]
    assert len(set(map(len, lines))) == 1
    assert classification_report(np.zeros((2, 2), int)).splitlines()[1].startswith("0 ")


@pytest.mark.parametrize("call, error, message", [
    (lambda: top_k_accuracy([[0.5, 0.5]], [0], 3), ValueError, "k must be at most"),
    (lambda: top_k_accuracy([[0.5, 0.5]], [0], 0), ValueError, "k must be"),
    (lambda: top_k_accuracy([[0.5, 0.5]], [2], 1), ValueError, "labels"),
    (lambda: top_k_accuracy([[0.5, 0.5]], [0.0], 1), TypeError, "labels"),
    (lambda: top_k_accuracy([[0.5, 0.5]], [0, 1], 1), ValueError, "labels"),
    (lambda: top_k_accuracy([0.5, 0.5], [0, 1], 1), ValueError, "outputs"),
    (lambda: top_k_accuracy([["a", "b"]], [0], 1), TypeError, "outputs"),
    (lambda: accuracy([[0.5, 0.5]], [2]), ValueError, "labels"),
    (lambda: accuracy([[0.5, 0.5]], [-1]), ValueError, "labels"),
    (lambda: accuracy([[0.5, 0.5]], [0.0]), TypeError, "labels"),
    (lambda: accuracy([["a", "b"]], [0]), TypeError, "outputs"),
    (lambda: confusion_matrix([0, 1], [0]), ValueError, "labels"),
    (lambda: confusion_matrix([0, -1], [0, 1]), ValueError, "predictions"),
    (lambda: confusion_matrix([0, 1], [0, -1]), ValueError, "labels"),
    (lambda: confusion_matrix([0, 3], [0, 1], 2), ValueError, "predictions"),
    (lambda: confusion_matrix([0.0, 1.0], [0, 1]), TypeError, "predictions"),
    (lambda: confusion_matrix(np.eye(2), [0, 1], 3), ValueError, "classes"),
    (lambda: confusion_matrix([0], [0], 0), ValueError, "classes"),
    (lambda: confusion_matrix([10**5], [0]), ValueError, "predictions .* below 10000 .* 100000"),
    (lambda: confusion_matrix([0], [10**9]), ValueError, "labels .* below 10000 .* 1000000000"),
    (lambda: confusion_matrix(np.zeros((2, 0)), [0, 0]), ValueError, "predictions must"),
    (lambda: precision_recall_f1([[1, 2]]), ValueError, "matrix"),
    (lambda: precision_recall_f1([[1.5]]), TypeError, "matrix"),
    (lambda: precision_recall_f1([[-1]]), ValueError, "matrix"),
    (lambda: classification_report([[1]], ["a", "b"]), ValueError, "classes"),
    (lambda: classification_report([[1]], 5), TypeError, "classes must be names, .* got 5")])
def test_impossible_ones(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_where_they_are():
    assert cn.metrics.top_k_accuracy is top_k_accuracy
    assert np.isnan(top_k_accuracy(np.zeros((0, 3)), np.zeros(0, int), 2))
