"""The learning curve."""

from .drawing import figure_of, saved

_TRAINING, _HELD_OUT = "#8c959f", "#0969da"


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
    figure = figure_of(9, 3.2)
    draw_history(figure, history)
    return saved(figure, path)


def draw_history(figure, history):
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
