"""What all pictures are made with."""

import re

import numpy as np

from .. import batches
from .._extras import require

PER_ROW = 10            # images in a row
TILE_GAP = 0.12         # between tiles, of the longer side of one
_SURROGATES = re.compile("[\ud800-\udfff]")
OUTLINE, BARS, LARGEST = "#8c959f", "#8c959f", "#0969da"


def figure_of(width, height):
    figure = require("matplotlib.figure", extra="plot", purpose="drawing a picture")
    return figure.Figure(figsize=(width, height), layout="constrained", facecolor="white")


def saved(figure, path):
    if path is not None:
        figure.savefig(path, dpi=120)
    return figure


def check_images(images):
    """`images` as an array (N, C, H, W) of numbers, none of these zero."""
    images = batches.as_array(images, "images")
    if images.ndim != 4 or len(images) == 0:
        raise ValueError(f"images must be (N, C, H, W) with N at least 1, got {images.shape}")
    if images.size == 0:
        raise ValueError(f"images must be (N, C, H, W), none of them 0, got {images.shape}")
    return numbers(images, "images")


def numbers(array, name):
    """`array` if it holds real numbers."""
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be an array of real numbers, got dtype {array.dtype}")
    return array


def pixels(image):
    """(C, H, W) as imshow takes it, and what is black and white: in colour if C is 3, else the
    first channel in grey."""
    shown = image.transpose(1, 2, 0) if len(image) == 3 else image[0]
    if shown.dtype == np.uint8:
        return shown, 0, 255
    lowest, highest = span(shown)
    return (shown - lowest) / ((highest - lowest) or 1), 0, 1


def span(values):
    """The smallest and the largest number; what is not finite does not count."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def draw_image(axes, image):
    """(C, H, W) in colour if C is 3, else the first channel in grey."""
    shown, lowest, highest = pixels(image)
    axes.imshow(shown, cmap="gray", vmin=lowest, vmax=highest, interpolation="nearest")
    axes.set_anchor("N")
    bare(axes)


def draw_tiles(axes, tiles, columns, lowest, highest):
    """Small images of one size side by side, `columns` in a row, on one scale of grey.

    The longer side of a tile is 1 on both axes.
    """
    height, width = np.array(tiles[0].shape[:2]) / max(tiles[0].shape[:2])
    outline = np.array([[0, 0], [width, 0], [width, height], [0, height], [0, 0], [np.nan] * 2])
    corners = [(column * (width + TILE_GAP), row * (height + TILE_GAP))
               for row, column in (divmod(i, columns) for i in range(len(tiles)))]
    for tile, (left, top) in zip(tiles, corners):
        axes.imshow(tile, cmap="gray", vmin=lowest, vmax=highest, interpolation="nearest",
                    extent=(left, left + width, top + height, top))
    # White tiles on a white page have an outline.
    axes.plot(*np.concatenate([outline + corner for corner in corners]).T, color=OUTLINE,
              linewidth=0.5)
    axes.set_xlim(-0.02, columns * (width + TILE_GAP))
    axes.set_ylim(corners[-1][1] + height + 0.02, -0.02)
    axes.set_anchor("W")
    bare(axes)


def bare(axes):
    """No frame and no numbers around it."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def literal(text):
    """`text` as matplotlib can draw it: names from the disk may hold what is no character.

    A name may also hold a $, so that it is drawn with ``parse_math=False``.
    """
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)


def class_name(label, classes):
    name = literal(str(classes[label]) if classes is not None else str(label))
    return name if len(name) <= 14 else f"{name[:13]}\N{HORIZONTAL ELLIPSIS}"
