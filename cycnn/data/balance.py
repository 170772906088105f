"""What a class is to weigh in a data set that has more of some than of others."""

import numpy as np

from ..functional import _check
from . import names


def class_weights(labels, classes=None):
    """Weights under which every class counts as much: N / (classes * images of the class).

    For the loss, ``CrossEntropyLoss(weight=class_weights(train.labels))``, or image by image for
    the order of training, ``fit(..., sampling=class_weights(train.labels)[train.labels])``;
    ``sampling="balanced"`` draws every class exactly as often.

    Parameters
    ----------
    labels : array_like of int, (N,)
    classes : int, optional
        How many there are; by default up to the largest label.

    Returns
    -------
    numpy.ndarray of float64, (classes,)
        0 for a class without images; their mean over the images is 1.

    Raises
    ------
    TypeError, ValueError
        If the labels are no class numbers, or there are none.
    """
    labels = _check.integers(labels, "labels", 1)
    if labels.size == 0:
        raise ValueError("labels is empty: there is nothing to weigh")
    if classes is None:
        classes = max(names.count(labels), 1)
    classes = _check.integer(classes, "classes", 1)
    _check.in_range(labels, classes, "labels", "the number of classes")
    counts = np.bincount(labels, minlength=classes)
    return np.where(counts, len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1)), 0)
