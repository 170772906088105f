"""Images with what the network takes them for."""

import math

import numpy as np

from .drawing import PER_ROW, check_images, class_name, draw_image, figure_of, saved

_RIGHT, _WRONG = "#1a7f37", "#cf222e"


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
    images, probabilities = check_images(images), np.asarray(probabilities)
    if probabilities.ndim != 2 or len(probabilities) != len(images):
        raise ValueError(f"probabilities must be ({len(images)}, classes), as many as the images, "
                         f"got {probabilities.shape}")
    if labels is not None and np.shape(labels) != (len(images),):
        raise ValueError(f"labels must be ({len(images)},), as many as the images, "
                         f"got {np.shape(labels)}")
    if classes is not None and len(classes) != probabilities.shape[1]:
        raise ValueError(f"classes must be {probabilities.shape[1]}, as many as the columns of "
                         f"probabilities, got {len(classes)}")
    rows = math.ceil(len(images) / PER_ROW)
    columns = min(len(images), PER_ROW)
    figure = figure_of(max(columns, 3), 1.6 * rows)
    draw_predictions(figure, images, probabilities, labels, classes, rows, columns)
    return saved(figure, path)


def draw_predictions(figure, images, probabilities, labels, classes, rows, columns):
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for cell in axes[len(images):]:
        cell.set_axis_off()
    for index, (cell, image, row) in enumerate(zip(axes, images, probabilities)):
        answer = int(row.argmax())
        right = labels is None or answer == labels[index]
        text = f"{class_name(answer, classes)}\n{100 * row[answer]:.0f} %"
        if not right:
            text += f"\nis {class_name(int(labels[index]), classes)}"
        draw_image(cell, image)
        cell.set_xlabel(text, fontsize=9, labelpad=3, linespacing=1.15, parse_math=False, color=(
            "black" if labels is None else _RIGHT if right else _WRONG))
