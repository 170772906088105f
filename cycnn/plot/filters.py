"""The filters of a convolution."""

import math

import numpy as np

from .. import batches
from ..functional import _check
from ..layers.module import Module
from ..layers.parameter import Parameter
from ..layers.recording import named_modules
from .drawing import TILE_GAP, draw_tiles, figure_of, numbers, saved

_IN_A_ROW = 8
_INCHES = 0.7


def plot_filters(filters, path=None, layer=None, scale=None, most=(64, 16)):
    """The filters of a convolution as small pictures, all on one scale.

    Middle grey is 0, white the number `scale` and black -`scale`, the same for all filters. Filters
    for grey images are a grid of grey pictures, those for images of three channels one of coloured
    pictures, where `scale` is a channel at its brightest. Of others each filter is a row of grey
    pictures, one a input channel.

    Parameters
    ----------
    filters : array_like, Parameter or Module
        Weights ``(K, C, kernel height, kernel width)``; a layer that has such, as
        :class:`cycnn.Conv2d`; or a network with such layers.
    path : str or Path, optional
        Where to write the picture.
    layer : str, optional
        The name of the network's layer, as :meth:`cycnn.Module.summary` shows it, ``"3"`` or
        ``"0.body.1"``; by default its first one with filters.
    scale : float, optional
        Above 0; by default the largest magnitude among the weights. Give it to compare pictures.
    most : pair of int, optional
        Of more filters and more input channels the first are shown, so many. The picture says so.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        If there are no filters in what is given, or no such layer, or `scale` or `most` are not as
        above.

    Examples
    --------
    >>> figure = plot_filters(model, "filters.png")
    >>> figure = plot_filters(model, "more_filters.png", layer="3")
    """
    weights = _weights(filters, layer)
    most_filters, most_channels = _check.pair(most, "most", 1)
    finite = weights[np.isfinite(weights)]
    scale = (float(np.abs(finite).max(initial=0)) or 1.0 if scale is None
             else _check.positive(scale, "scale"))
    count, channels = weights.shape[:2]
    shown = weights[:most_filters]
    if channels == 3:
        # From -scale ... scale to 0 ... 1: imshow has no scale for colours.
        tiles = [np.clip(np.nan_to_num(0.5 + w.transpose(1, 2, 0) / (2 * scale), nan=0.5), 0, 1)
                 for w in shown]
    else:
        shown = shown[:, :most_channels]
        tiles = [tile for w in shown for tile in w]
    matrix = channels not in (1, 3)
    columns = shown.shape[1] if matrix else min(len(tiles), _IN_A_ROW)
    rows = math.ceil(len(tiles) / columns)

    height, width = np.array(weights.shape[2:]) / max(weights.shape[2:])
    figure = figure_of(max(_INCHES * columns * (width + TILE_GAP) + 0.4, 3),
                       _INCHES * rows * (height + TILE_GAP) + 0.5)
    axes = figure.subplots()
    draw_tiles(axes, tiles, columns, -scale, scale)
    axes.set_anchor("C")
    if matrix:
        axes.set_ylabel(f"{len(shown)} filters" + _of(len(shown), count), fontsize=9)
        axes.set_xlabel(f"{columns} input channels" + _of(columns, channels), fontsize=9)
    elif len(shown) < count:
        axes.set_xlabel(f"{len(shown)} filters" + _of(len(shown), count), fontsize=9)
    figure.supxlabel(f"black {-scale:.2g}, grey 0, white {scale:.2g}", fontsize=8, color="#57606a")
    return saved(figure, path)


def _of(shown, all_of_them):
    return f" of {all_of_them}" if shown < all_of_them else ""


def _weights(filters, layer):
    """What is to be drawn, (K, C, kernel height, kernel width)."""
    if isinstance(filters, type):
        raise TypeError("filters must be weights, a layer or a network, got the class "
                        f"{filters.__name__} itself")
    if isinstance(filters, Module):
        return _weights_of(filters, layer)
    if layer is not None:
        raise ValueError(f"layer must be None unless filters is a network, got {layer!r}")
    if isinstance(filters, Parameter):
        filters = filters.data
    weights = numbers(batches.as_array(filters, "filters"), "filters")
    if weights.ndim != 4 or weights.size == 0:
        raise ValueError("filters must be weights (K, C, kernel height, kernel width), none of "
                         f"them 0, or a layer or a network, got shape {weights.shape}")
    return weights


def _weights_of(network, layer):
    found = {}
    for name, module in (("", network), *named_modules(network)):
        weight = getattr(module, "weight", None)
        if isinstance(weight, Parameter) and weight.data.ndim == 4:
            found[name] = weight.data
    if not found:
        raise ValueError("filters must be a network with a convolution in it, "
                         f"got {type(network).__name__} without one")
    if layer is None:
        return next(iter(found.values()))
    if layer not in found:
        raise ValueError(f"layer must be one that has filters, {', '.join(map(repr, found))}, "
                         f"got {layer!r}")
    return found[layer]
