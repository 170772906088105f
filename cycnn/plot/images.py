"""Images with their labels."""

import math

from ..functional import _check
from .drawing import PER_ROW, check_images, class_name, draw_image, figure_of, saved


def plot_images(images, labels=None, classes=None, path=None, most=50):
    """A grid of images, ten in a row, with their labels.

    Parameters
    ----------
    images : array_like
        ``(N, C, H, W)``, at least one. Three channels are shown in colour, others by the first.
        uint8 is shown as it is, of other types each image from its smallest to its largest number.
    labels : array_like of int, optional
        ``(N,)``, written under the images.
    classes : list of str, optional
        What the classes are called; by default their numbers.
    path : str or Path, optional
        Where to write the picture.
    most : int, optional
        Of more images the first are shown, so many.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, or images, labels and classes do not fit each other.

    Examples
    --------
    >>> train, test = cycnn.data.load("digits")
    >>> figure = plot_images(train.images[:20], train.labels[:20], path="digits.png")
    """
    images = check_images(images)
    if labels is not None:
        labels = _check.integers(labels, "labels", 1)
        _check.shape(labels, (len(images),), "labels", "one for each image")
        if classes is not None:
            _check.in_range(labels, len(classes), "labels", "the number of classes")
    images = images[:_check.integer(most, "most", 1)]
    rows, columns = math.ceil(len(images) / PER_ROW), min(len(images), PER_ROW)
    figure = figure_of(max(columns, 3), (1.05 if labels is None else 1.3) * rows)
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for cell in cells[len(images):]:
        cell.set_axis_off()
    for index, (cell, image) in enumerate(zip(cells, images)):
        draw_image(cell, image)
        if labels is not None:
            cell.set_xlabel(class_name(int(labels[index]), classes), fontsize=9, labelpad=3,
                            parse_math=False)
    return saved(figure, path)
