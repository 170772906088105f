"""One picture of a whole training, and one of a whole evaluation."""

import math

import numpy as np

from .confusion import draw_matrix, side, square
from .drawing import PER_ROW, figure_of, literal, saved
from .history import draw_history
from .predictions import draw_predictions


def plot_training(history, images, probabilities, labels, classes=None, path=None, title=None):
    """One picture of a whole training: the learning curve, and held-out images with answers.

    Under the curves come two rows: one image of each class (of the first ten), and the mistakes
    that the network was surest of, where it made any.

    Parameters
    ----------
    history : cycnn.History
    images, probabilities, labels, classes
        The held-out images, all of them, and the rest as for `plot_predictions`.
    path : str or Path, optional
        Where to write the picture.
    title : str, optional

    Returns
    -------
    matplotlib.figure.Figure
    """
    images, probabilities, labels = map(np.asarray, (images, probabilities, labels))
    samples = [np.flatnonzero(labels == label)[0] for label in np.unique(labels)[:PER_ROW]]
    wrong = _mistakes(probabilities, labels)
    surest = wrong[:PER_ROW]
    count = _count(len(wrong), f"{len(labels):,} held-out images", PER_ROW)
    rows = [("Held-out images, one of each class", samples)]
    heights = [3.6, 1.8]            # inches
    if len(wrong):
        rows.append((count, surest))
        heights.append(2)

    figure = figure_of(10, sum(heights))
    parts = figure.subfigures(len(heights), 1, height_ratios=heights)
    draw_history(parts[0], history)
    if title:
        parts[0].suptitle(literal(title), fontsize=13, fontweight="bold", parse_math=False)
    for part, (heading, chosen) in zip(parts[1:], rows):
        part.suptitle(heading, fontsize=10, color="#57606a")
        draw_predictions(part, images[chosen], probabilities[chosen], labels[chosen], classes,
                          1, PER_ROW)
    return saved(figure, path)


def plot_evaluation(matrix, images, probabilities, labels, classes=None, path=None, title=None):
    """One picture of an evaluation: the confusion matrix, and the mistakes.

    Parameters
    ----------
    matrix, classes
        As for :func:`plot_confusion_matrix`.
    images, probabilities, labels
        As for :func:`plot_predictions`; of the wrong answers among them those are shown that the
        network was surest of. There may be none.
    path : str or Path, optional
        Where to write the picture.
    title : str, optional

    Returns
    -------
    matplotlib.figure.Figure
    """
    matrix = square(matrix, classes)
    images, probabilities, labels = map(np.asarray, (images, probabilities, labels))
    wrong = _mistakes(probabilities, labels)
    shown = wrong[:2 * PER_ROW]
    rows = math.ceil(len(shown) / PER_ROW)
    heights = [side(len(matrix)), *([0.4 + 1.7 * rows] if rows else [])]
    figure = figure_of(max(10, heights[0]), sum(heights))
    parts = np.atleast_1d(figure.subfigures(len(heights), 1, height_ratios=heights))
    draw_matrix(parts[0], matrix, classes)
    if title:
        parts[0].suptitle(literal(title), fontsize=13, fontweight="bold", parse_math=False)
    if rows:
        parts[1].suptitle(_count(len(wrong), f"{int(matrix.sum()):,} images", 2 * PER_ROW),
                          fontsize=10, color="#57606a")
        draw_predictions(parts[1], images[shown], probabilities[shown], labels[shown], classes,
                          rows, PER_ROW)
    return saved(figure, path)


def _mistakes(probabilities, labels):
    """Where the answer is wrong, the surest first."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]


def _count(mistakes, of, shown):
    text = f"{mistakes:,} mistake{'s' * (mistakes != 1)} in {of}"
    if mistakes > 1:
        text += ", the surest first" if mistakes <= shown else f", the {shown} surest"
    return text
