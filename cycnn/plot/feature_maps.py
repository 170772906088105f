"""What a network makes of one image, layer by layer."""

import math

import numpy as np

from .. import batches
from ..functional import _check
from ..layers.module import Module
from ..layers.prediction import dtype_of, evaluation_mode
from ..layers.recording import recording
from .drawing import (BARS, LARGEST, TILE_GAP, bare, class_name, draw_tiles, figure_of, numbers,
                      pixels, saved, span)

_INCHES = 0.85
_LETTER = 0.06          # the width of one under a bar
_MOST_BARS = 64         # a longer vector is a strip of grey


def plot_feature_maps(model, image, path=None, layers=None, most=8):
    """What each layer of a network makes of one image: a row a layer, with its output's shape.

    The image is normalised first, if the model has a `normalization`, as :class:`cycnn.Trainer`
    and :meth:`cycnn.Module.predict` do, and the network works in evaluation mode. Each layer has a
    scale of grey of its own: black is its smallest number, white its largest; both are written
    beside it. Vectors are bars, the largest in blue, or if they are long a strip of grey. The model
    stays as it was: its mode, what its layers remember, gradients.

    Parameters
    ----------
    model : Module
        A network or a layer.
    image : array_like
        ``(C, H, W)``, as the data set has it.
    path : str or Path, optional
        Where to write the picture.
    layers : list of str, optional
        The names of the layers to show, as :meth:`cycnn.Module.summary` shows them; by default all.
    most : int, optional
        Of more channels the first are shown, so many. The picture says so.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        If the image is not one that the model takes, there is no such layer, or an argument is of
        the wrong kind.

    Examples
    --------
    >>> figure = plot_feature_maps(model, test.images[0], "maps.png")
    >>> figure = plot_feature_maps(model, test.images[0], "last.png", layers=["3", "7"])
    """
    if not isinstance(model, Module):
        raise TypeError("model must be a cycnn.Module, got "
                        + (f"the class {model.__name__} itself" if isinstance(model, type)
                           else type(model).__name__))
    image = _image(image)
    most = _check.integer(most, "most", 1)
    results = _chosen(_results(model, image), layers)

    shown = [("image", image.shape, pixels(image))]
    for name, kind, output in results:
        shown.append((f"{name}  {kind}".strip(), output.shape, _row(output)))
    heights = [_height(values) for _, _, (values, *_) in shown]
    figure = figure_of(2 + _INCHES * most, sum(heights) + 0.15 * len(heights))
    cells = figure.subplots(len(shown), 1, height_ratios=heights, squeeze=False).ravel()
    for cell, (title, shape, (values, lowest, highest)) in zip(cells, shown):
        note = f"{title}\n{_shape(shape, most)}"
        if title != "image":
            note += f"\n{lowest:.3g} to {highest:.3g}"
        _draw(cell, values, lowest, highest, most, title == "image", model.classes)
        cell.set_ylabel(note, rotation=0, ha="right", va="center", fontsize=8, labelpad=8,
                        parse_math=False)
    return saved(figure, path)


def _image(image):
    image = numbers(batches.as_array(image, "image"), "image")
    if image.ndim != 3 or image.size == 0:
        hint = {2: "; of a grey image (H, W) give image[None]",
                4: "; of a batch give one image: images[0]"}.get(image.ndim, "")
        raise ValueError(f"image must be (C, H, W), none of them 0, got shape {image.shape}{hint}")
    return image


def _results(model, image):
    """[(name, kind of layer, its output for the image), ...] in the order of the calls."""
    results = []

    def record(name, layer, x, y):
        # A copy: a layer behind it may work in its memory.
        results.append((name, type(layer).__name__, np.array(y[0])))

    with recording(model, record), evaluation_mode(model):
        try:
            model.forward(batches.whole(image[None], model.normalization, dtype_of(model)))
        except (TypeError, ValueError) as error:
            text = "; ".join([str(error), *getattr(error, "__notes__", [])])
            raise type(error)("image must be one that the model takes, got one of shape "
                              f"{image.shape}: {text}") from error
    return results


def _chosen(results, layers):
    if layers is None:
        return results
    if isinstance(layers, str) or not hasattr(layers, "__iter__"):
        raise TypeError(f'layers must be a list of names, such as ["0", "3"], got {layers!r}')
    layers, names = list(layers), [name for name, *_ in results]
    for layer in layers:
        if layer not in names:
            raise ValueError(f"layers must be names among {', '.join(map(repr, names))}, "
                             f"got {layer!r}")
    return [result for result in results if result[0] in layers]


def _row(output):
    """The numbers as they are drawn, maps (C, H, W) or a vector, with the smallest and largest."""
    maps = output.ndim == 3 and output.shape[1:] != (1, 1) and output.size
    values = output if maps else output.reshape(-1)
    return values, *span(values)


def _height(values):
    """Inches of a row."""
    if values.ndim > 1:
        height, width = values.shape[-2:] if values.ndim == 3 else values.shape
        return max(0.5, _INCHES * min(1, height / width))
    return 0.95 if len(values) <= _MOST_BARS else 0.5


def _shape(shape, most):
    text = "(" + ", ".join(map(str, shape)) + ")"
    return text + (f", first {most}" if len(shape) == 3 and shape[1:] != (1, 1)
                   and shape[0] > most else "")


def _draw(axes, values, lowest, highest, most, is_image, classes):
    width = most * (1 + TILE_GAP)
    if is_image:
        draw_tiles(axes, [values], 1, lowest, highest)
    elif values.ndim == 3:
        draw_tiles(axes, list(values[:most]), min(len(values), most), lowest, highest)
    elif 0 < len(values) <= _MOST_BARS:
        _draw_bars(axes, values, most, classes)
        return
    else:
        axes.imshow(values[None], cmap="gray", vmin=lowest, vmax=highest, aspect="auto",
                    interpolation="nearest", extent=(0, width, 1, 0))
        bare(axes)
    axes.set_xlim(-0.02, width)


def _draw_bars(axes, values, most, classes):
    bars = axes.bar(range(len(values)), np.nan_to_num(values, posinf=0, neginf=0), color=BARS)
    largest = int(np.argmax(np.nan_to_num(values, nan=-math.inf)))
    bars[largest].set_color(LARGEST)
    axes.axhline(0, color="black", linewidth=0.5, clip_on=False)
    axes.set_xlim(-0.6, len(values) - 0.4)
    named = classes is not None and len(classes) == len(values)
    names = [class_name(i, classes if named else None) for i in range(len(values))]
    bare(axes)
    if len(values) <= 20:
        turned = max(map(len, names)) * len(values) * _LETTER > _INCHES * most
        axes.set_xticks(range(len(values)), names, fontsize=7, rotation=90 if turned else 0,
                        parse_math=False)
        axes.tick_params(length=0)
