"""How good predictions are."""

import numpy as np

from .data.names import listed
from .functional import _check

# One stray number would ask for more memory than there is: so many classes take 800 MB.
_MOST_UNNAMED = 10_000


def correct(outputs, labels):
    """How many rows of `outputs` are largest in the column that `labels` names.

    Parameters
    ----------
    outputs : numpy.ndarray, (N, classes)
        Logits or probabilities.
    labels : numpy.ndarray of int, (N,)

    Returns
    -------
    int
    """
    return int(np.count_nonzero(outputs.argmax(axis=1) == labels))


def accuracy(outputs, labels):
    """The fraction of rows of `outputs` that are largest in the column that `labels` names.

    Parameters and errors as for :func:`cycnn.functional.cross_entropy`; an empty batch gives nan.
    """
    outputs = _check.floats(outputs, "outputs", 2)
    labels = _labels(labels, *outputs.shape)
    return correct(outputs, labels) / len(labels) if len(labels) else float("nan")


def top_k_accuracy(outputs, labels, k=5):
    """The fraction of rows of `outputs` in which the right class is among the `k` largest.

    Of equal outputs those of lower classes count as larger, as for the accuracy, which is `k` = 1;
    a right class of NaN is never among them.

    Parameters
    ----------
    outputs : array_like, (N, classes)
        Logits or probabilities.
    labels : array_like of int, (N,)
    k : int
        At least 1, at most the number of classes.

    Returns
    -------
    float
        nan for no rows.

    Raises
    ------
    TypeError, ValueError
    """
    outputs = _check.floats(outputs, "outputs", 2)
    labels = _labels(labels, *outputs.shape)
    k = _check.integer(k, "k", 1)
    if k > outputs.shape[1]:
        raise ValueError(f"k must be at most the number of classes, {outputs.shape[1]}, got {k}")
    if len(labels) == 0:
        return float("nan")
    right = np.take_along_axis(outputs, labels[:, None], axis=1)
    lower = np.arange(outputs.shape[1]) < labels[:, None]
    # "Not less" where "more" would do but for NaN, which is more than any number.
    before = np.where(lower, ~(outputs < right), ~(outputs <= right)).sum(axis=1)
    return float(((before < k) & ~np.isnan(right[:, 0])).mean())


def confusion_matrix(predictions, labels, classes=None):
    """How often images of each class were taken for each class.

    Parameters
    ----------
    predictions : array_like, (N,) of int or (N, classes)
        Class numbers, or logits or probabilities, whose largest counts.
    labels : array_like of int, (N,)
        The truth.
    classes : int, optional
        How many there are; by default the columns of `predictions`, or up to the largest number,
        which then must be below 10,000.

    Returns
    -------
    numpy.ndarray of int64, (classes, classes)
        In row i and column j, how many images of class i were taken for class j.

    Raises
    ------
    TypeError, ValueError
    """
    predictions = np.asarray(predictions)
    if predictions.ndim == 2:
        columns = predictions.shape[1]
        if columns == 0:
            raise ValueError("predictions must be (N, classes), with at least one class, "
                             f"got shape {predictions.shape}")
        predictions = _check.floats(predictions, "predictions").argmax(axis=1)
        if classes not in (None, columns):
            raise ValueError(f"classes must be {columns}, the columns of predictions, "
                             f"got {classes!r}")
        classes = columns
    predictions = _check.integers(predictions, "predictions", 1)
    if classes is None:
        labels = _check.integers(labels, "labels", 1)
        largest, name = max((int(np.max(numbers, initial=0)), name) for numbers, name in (
            (predictions, "predictions"), (labels, "labels")))
        if largest >= _MOST_UNNAMED:
            raise ValueError(f"{name} must be below {_MOST_UNNAMED} where classes is not given, "
                             f"got {largest}")
        classes = 1 + largest
    classes = _check.integer(classes, "classes", 1)
    labels = _labels(labels, len(predictions), classes)
    _check.in_range(predictions, classes, "predictions", "the number of classes")
    return np.bincount(labels * classes + predictions, minlength=classes * classes).reshape(
        classes, classes)


def precision_recall_f1(matrix):
    r"""Class by class, from a confusion matrix.

    .. math::
        p_j = \frac{m_{jj}}{\sum_i m_{ij}}, \qquad r_i = \frac{m_{ii}}{\sum_j m_{ij}}, \qquad
        F_1 = \frac{2 p r}{p + r}

    Parameters
    ----------
    matrix : array_like of int, (classes, classes)
        As :func:`confusion_matrix` returns it.

    Returns
    -------
    precision, recall, f1 : numpy.ndarray of float64, (classes,)
        0 where nothing is to be divided: no image was taken for the class, or none is of it.

    Raises
    ------
    TypeError, ValueError
    """
    matrix = _matrix(matrix)
    right = np.diagonal(matrix).astype(np.float64)
    taken, there = matrix.sum(axis=0), matrix.sum(axis=1)
    # F1 as 2 * right / (taken + there): the same, without a division by a sum of zeros.
    return tuple(top / np.maximum(bottom, 1) for top, bottom in (
        (right, taken), (right, there), (2 * right, taken + there)))


def classification_report(matrix, classes=None):
    """A table of precision, recall, F1 and number of images of each class, with their means.

    Parameters
    ----------
    matrix : array_like of int, (classes, classes)
        As :func:`confusion_matrix` returns it.
    classes : sequence of str, optional
        What they are called; by default their numbers.

    Returns
    -------
    str
        The last two lines are the mean over the classes, and that over the images.
    """
    matrix = _matrix(matrix)
    names = [str(name) for name in (range(len(matrix)) if classes is None else listed(classes))]
    if len(names) != len(matrix):
        raise ValueError(f"classes must be {len(matrix)} names, got {len(names)}")
    scores, images = np.array(precision_recall_f1(matrix)), matrix.sum(axis=1)
    total = max(int(images.sum()), 1)
    rows = [*zip(names, scores.T, images),
            ("mean of classes", scores.mean(axis=1), images.sum()),
            ("mean of images", scores @ images / total, images.sum())]
    width = max(len(name) for name, _, _ in rows)
    lines = [f"{'class':{width}}  precision  recall      F1  images"]
    lines += [f"{name:{width}}  {precision:9.4f}  {recall:6.4f}  {f1:6.4f}  {number:6d}"
              for name, (precision, recall, f1), number in rows]
    return "\n".join(lines)


def _labels(labels, number, classes):
    labels = _check.integers(labels, "labels", 1)
    _check.shape(labels, (number,), "labels", "one an image")
    _check.in_range(labels, classes, "labels", "the number of classes")
    return labels


def _matrix(matrix):
    matrix = _check.integers(matrix, "matrix", 2)
    if matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise ValueError(f"matrix must be (classes, classes), got {matrix.shape}")
    if matrix.min() < 0:
        raise ValueError(f"matrix must hold counts of at least 0, got {matrix.min()}")
    return matrix
