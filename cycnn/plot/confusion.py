"""The confusion matrix."""

import numpy as np

from .drawing import class_name, figure_of, saved

# Up to so many classes a confusion matrix says what they are called, and holds numbers.
_NAMED_CLASSES, _COUNTED_CLASSES = 50, 25


def plot_confusion_matrix(matrix, classes=None, path=None):
    """How often images of each class were taken for each class.

    The colour is the share of the class; the numbers are counts, where there is room for them.

    Parameters
    ----------
    matrix : array_like of int, (classes, classes)
        As :func:`cycnn.metrics.confusion_matrix` returns it: the truth runs downwards.
    classes : list of str, optional
        What the classes are called; by default their numbers.
    path : str or Path, optional
        Where to write the picture.

    Returns
    -------
    matplotlib.figure.Figure
    """
    matrix = square(matrix, classes)
    figure = figure_of(*[side(len(matrix))] * 2)
    draw_matrix(figure, matrix, classes)
    return saved(figure, path)


def draw_matrix(figure, matrix, classes):
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xlabel("answer")
    axes.set_ylabel("truth")
    axes.spines[:].set_visible(False)
    if len(matrix) > _NAMED_CLASSES:
        return
    names = [class_name(label, classes) for label in range(len(matrix))]
    turned = max(map(len, names)) > 4
    axes.set_xticks(range(len(matrix)), names, rotation=90 if turned else 0,
                    parse_math=False)
    axes.set_yticks(range(len(matrix)), names, parse_math=False)
    if len(matrix) <= _COUNTED_CLASSES:
        for row, column in zip(*np.nonzero(matrix)):
            axes.text(column, row, f"{matrix[row, column]}", ha="center", va="center", fontsize=8,
                      color="white" if shares[row, column] > 0.5 else "black")


def square(matrix, classes):
    matrix = np.asarray(matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise ValueError(f"matrix must be (classes, classes), got {matrix.shape}")
    if classes is not None and len(classes) != len(matrix):
        raise ValueError(f"classes must be {len(matrix)}, as many as the rows of matrix, "
                         f"got {len(classes)}")
    return matrix


def side(classes):
    """Inches of a confusion matrix."""
    return min(12, max(4.5, 1.5 + 0.42 * classes))
