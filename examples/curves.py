"""Several curves in one picture, a panel for each thing that was measured."""

from cycnn._extras import require

COLOURS = "#c9d1d9", "#0969da", "#cf222e", "#1a7f37"


def draw(panels, x, xlabel="epoch"):
    """Draw panels side by side; the first curve of each, broad and grey, is the published one.

    Parameters
    ----------
    panels : dict of dict
        ``{what is on the vertical axis: {name of a curve: values}}``; in the place of `values` may
        be a pair (values, deviations), which are drawn as bars.
    x : sequence
        What is on the horizontal axis.
    xlabel : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    matplotlib = require("matplotlib.figure", "plot", "drawing a picture")
    figure = matplotlib.Figure(figsize=(5 * len(panels), 3.4), layout="constrained",
                               facecolor="white")
    for axes, (ylabel, curves) in zip(figure.subplots(1, len(panels), squeeze=False)[0],
                                      panels.items()):
        for number, (name, values) in enumerate(curves.items()):
            values, deviations = values if isinstance(values, tuple) else (values, None)
            axes.errorbar(x, values, deviations, label=name, color=COLOURS[number], capsize=3,
                          linewidth=1.5 if number else 6, marker="o" if number else "",
                          markersize=4)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#eaeef2")
        axes.set_axisbelow(True)
        axes.legend(frameon=False)
    return figure
