"""How good predictions are."""

import numpy as np


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
    outputs, labels = np.asarray(outputs), np.asarray(labels)
    if outputs.ndim != 2 or labels.shape != outputs.shape[:1]:
        raise ValueError("outputs must have shape (N, classes) and labels (N,), got "
                         f"{outputs.shape} and {labels.shape}")
    return correct(outputs, labels) / len(labels) if len(labels) else float("nan")
