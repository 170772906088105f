"""Pictures of a training and an evaluation: curves, answers, the confusion matrix, mistakes.

Every function returns a matplotlib Figure and needs no display; with `path` it also writes it
there, in the format of its suffix. matplotlib's backend and settings are left alone.
"""

import math

import numpy as np

from ._extras import require

_TRAINING, _HELD_OUT = "#8c959f", "#0969da"
_RIGHT, _WRONG = "#1a7f37", "#cf222e"
_PER_ROW = 10
# Up to so many classes a confusion matrix says what they are called, and holds numbers.
_NAMED_CLASSES, _COUNTED_CLASSES = 50, 25


def plot_history(history, path=None):
    """Loss and accuracy over the epochs, in training and on the validation set.

    Parameters
    ----------
    history : cycnn.History
    path : str or Path, optional
        Where to write the picture.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = _figure(9, 3.2)
    _draw_history(figure, history)
    return _saved(figure, path)


def plot_predictions(images, probabilities, labels=None, classes=None, path=None):
    """Images with the class that the network gives them and its probability.

    Parameters
    ----------
    images : ndarray
        ``(N, C, H, W)``, at least one. Three channels are shown in colour, others by the first.
    probabilities : ndarray
        ``(N, number of classes)``.
    labels : ndarray of int, optional
        ``(N,)``, the truth: right answers are written in green, wrong ones in red with the truth.
    classes : list of str, optional
        What the classes are called; by default their numbers.
    path : str or Path, optional
        Where to write the picture.

    Returns
    -------
    matplotlib.figure.Figure
    """
    images, probabilities = np.asarray(images), np.asarray(probabilities)
    if images.ndim != 4 or len(images) == 0:
        raise ValueError(f"images must be (N, C, H, W) with N at least 1, got {images.shape}")
    if probabilities.ndim != 2 or len(probabilities) != len(images):
        raise ValueError(f"probabilities must be ({len(images)}, classes), as many as the images, "
                         f"got {probabilities.shape}")
    if labels is not None and np.shape(labels) != (len(images),):
        raise ValueError(f"labels must be ({len(images)},), as many as the images, "
                         f"got {np.shape(labels)}")
    if classes is not None and len(classes) != probabilities.shape[1]:
        raise ValueError(f"classes must be {probabilities.shape[1]}, as many as the columns of "
                         f"probabilities, got {len(classes)}")
    rows = math.ceil(len(images) / _PER_ROW)
    columns = min(len(images), _PER_ROW)
    figure = _figure(max(columns, 3), 1.6 * rows)
    _draw_predictions(figure, images, probabilities, labels, classes, rows, columns)
    return _saved(figure, path)


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
    samples = [np.flatnonzero(labels == label)[0] for label in np.unique(labels)[:_PER_ROW]]
    wrong = _mistakes(probabilities, labels)
    surest = wrong[:_PER_ROW]
    count = _count(len(wrong), f"{len(labels):,} held-out images", _PER_ROW)
    rows = [("Held-out images, one of each class", samples)]
    heights = [3.6, 1.8]            # inches
    if len(wrong):
        rows.append((count, surest))
        heights.append(2)

    figure = _figure(10, sum(heights))
    parts = figure.subfigures(len(heights), 1, height_ratios=heights)
    _draw_history(parts[0], history)
    if title:
        parts[0].suptitle(title, fontsize=13, fontweight="bold")
    for part, (heading, chosen) in zip(parts[1:], rows):
        part.suptitle(heading, fontsize=10, color="#57606a")
        _draw_predictions(part, images[chosen], probabilities[chosen], labels[chosen], classes,
                          1, _PER_ROW)
    return _saved(figure, path)


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
    matrix = _square(matrix, classes)
    figure = _figure(*[_side(len(matrix))] * 2)
    _draw_matrix(figure, matrix, classes)
    return _saved(figure, path)


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
    matrix = _square(matrix, classes)
    images, probabilities, labels = map(np.asarray, (images, probabilities, labels))
    wrong = _mistakes(probabilities, labels)
    shown = wrong[:2 * _PER_ROW]
    rows = math.ceil(len(shown) / _PER_ROW)
    heights = [_side(len(matrix)), *([0.4 + 1.7 * rows] if rows else [])]
    figure = _figure(max(10, heights[0]), sum(heights))
    parts = np.atleast_1d(figure.subfigures(len(heights), 1, height_ratios=heights))
    _draw_matrix(parts[0], matrix, classes)
    if title:
        parts[0].suptitle(title, fontsize=13, fontweight="bold")
    if rows:
        parts[1].suptitle(_count(len(wrong), f"{int(matrix.sum()):,} images", 2 * _PER_ROW),
                          fontsize=10, color="#57606a")
        _draw_predictions(parts[1], images[shown], probabilities[shown], labels[shown], classes,
                          rows, _PER_ROW)
    return _saved(figure, path)


def _figure(width, height):
    figure = require("matplotlib.figure", extra="plot", purpose="drawing a picture")
    return figure.Figure(figsize=(width, height), layout="constrained", facecolor="white")


def _saved(figure, path):
    if path is not None:
        figure.savefig(path, dpi=120)
    return figure


def _draw_history(figure, history):
    loss, accuracy = figure.subplots(1, 2)
    _draw_curves(loss, history.train_loss, history.val_loss, "loss", "{:.3f}", "upper right")
    _draw_curves(accuracy, [100 * value for value in history.train_accuracy],
                 [100 * value for value in history.val_accuracy], "accuracy (%)", "{:.2f} %",
                 "lower right")


def _draw_curves(axes, training, held_out, name, number, corner):
    """One panel: a curve for each list that has numbers, with its last value in the legend."""
    for values, label, colour, width in ((training, "training", _TRAINING, 1.5),
                                         (held_out, "held out", _HELD_OUT, 2.2)):
        if values:
            axes.plot(range(1, len(values) + 1), values, color=colour, linewidth=width,
                      marker="o", markersize=4 if len(values) <= 12 else 0,
                      label=f"{label}: {number.format(values[-1])}")
    axes.set_xlabel("epoch")
    axes.set_ylabel(name)
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#eaeef2")
    axes.set_axisbelow(True)
    if axes.lines:
        axes.legend(loc=corner, frameon=False)


def _draw_matrix(figure, matrix, classes):
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xlabel("answer")
    axes.set_ylabel("truth")
    axes.spines[:].set_visible(False)
    if len(matrix) > _NAMED_CLASSES:
        return
    names = [_name(label, classes) for label in range(len(matrix))]
    turned = max(map(len, names)) > 4
    axes.set_xticks(range(len(matrix)), names, rotation=90 if turned else 0)
    axes.set_yticks(range(len(matrix)), names)
    if len(matrix) <= _COUNTED_CLASSES:
        for row, column in zip(*np.nonzero(matrix)):
            axes.text(column, row, f"{matrix[row, column]}", ha="center", va="center", fontsize=8,
                      color="white" if shares[row, column] > 0.5 else "black")


def _square(matrix, classes):
    matrix = np.asarray(matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise ValueError(f"matrix must be (classes, classes), got {matrix.shape}")
    if classes is not None and len(classes) != len(matrix):
        raise ValueError(f"classes must be {len(matrix)}, as many as the rows of matrix, "
                         f"got {len(classes)}")
    return matrix


def _side(classes):
    """Inches of a confusion matrix."""
    return min(12, max(4.5, 1.5 + 0.42 * classes))


def _mistakes(probabilities, labels):
    """Where the answer is wrong, the surest first."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    return wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]


def _count(mistakes, of, shown):
    text = f"{mistakes:,} mistake{'s' * (mistakes != 1)} in {of}"
    if mistakes > 1:
        text += ", the surest first" if mistakes <= shown else f", the {shown} surest"
    return text


def _draw_predictions(figure, images, probabilities, labels, classes, rows, columns):
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for cell in axes[len(images):]:
        cell.set_axis_off()
    for index, (cell, image, row) in enumerate(zip(axes, images, probabilities)):
        answer = int(row.argmax())
        right = labels is None or answer == labels[index]
        text = f"{_name(answer, classes)}\n{100 * row[answer]:.0f} %"
        if not right:
            text += f"\nis {_name(int(labels[index]), classes)}"
        _draw_image(cell, image)
        cell.set_xlabel(text, fontsize=9, labelpad=3, linespacing=1.15, color=(
            "black" if labels is None else _RIGHT if right else _WRONG))


def _draw_image(axes, image):
    """(C, H, W) in colour if C is 3, else the first channel in grey."""
    shown = image.transpose(1, 2, 0) if len(image) == 3 else image[0]
    if shown.dtype == np.uint8:
        lowest, highest = 0, 255
    else:
        lowest, highest = float(shown.min()), float(shown.max())
        shown = (shown - lowest) / ((highest - lowest) or 1)
        lowest, highest = 0, 1
    axes.imshow(shown, cmap="gray", vmin=lowest, vmax=highest, interpolation="nearest")
    axes.set_anchor("N")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _name(label, classes):
    name = str(classes[label]) if classes is not None else str(label)
    return name if len(name) <= 14 else f"{name[:13]}\N{HORIZONTAL ELLIPSIS}"
