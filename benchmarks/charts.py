"""Charts of the results, each as PNG and as SVG; needs no display."""

from pathlib import Path

from cycnn._extras import require

from . import kernels

_COLOURS = ["#54aeff", "#0969da", "#0a3069", "#8250df", "#bf3989"]
_PASSES = {"forward": "#0969da", "input gradient": "#1a7f37", "weight gradient": "#bc4c00"}
_GREY = "#57606a"


def _figure_class():
    """matplotlib's Figure, or an ImportError that says how to install it."""
    return require("matplotlib.figure", extra="bench", purpose="drawing charts").Figure


def draw(results, folder, title):
    """Write a chart of each suite among the results that has one, and return the files.

    Of several instruction sets the first is drawn.

    Parameters
    ----------
    results : list of dict
    folder : str or Path
        Made where it does not exist.
    title : str
        What stands small above each chart: processor and versions.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for suite, function in (("training", _training), ("kernels", _kernels),
                            ("scaling", _scaling)):
        chosen = [result for result in results if result["suite"] == suite
                  and result["instruction_set"] == results[0]["instruction_set"]]
        if suite == "training":                 # without PyTorch there is no ratio to draw
            chosen = [result for result in chosen if "ratio" in result]
        if chosen:
            figure = function(chosen)
            figure.supxlabel(title, fontsize=7, color=_GREY)
            for suffix in ("png", "svg"):
                written.append(folder / f"{suite}.{suffix}")
                figure.savefig(written[-1], dpi=150)
    return written


def _panels(width, height, count, heading):
    figure = _figure_class()(figsize=(width, height), layout="constrained", facecolor="white")
    figure.suptitle(heading, fontsize=12, fontweight="bold")
    panels = figure.subplots(1, count, squeeze=False, sharey=True)[0]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_axisbelow(True)
    return figure, panels


def _unique(results, key):
    """The values of `key` in the order of the results."""
    return list(dict.fromkeys(result[key] for result in results))


def _threads(number):
    return f"{number} thread{'s' * (number > 1)}"


def _whiskers(values):
    """From the median to the quartiles, as matplotlib wants it."""
    middle, low, high = values
    return [[middle - low], [high - middle]]


def _training(results):
    """A bar for each network and batch, a panel for each number of threads."""
    threads, names, batches = (_unique(results, key) for key in ("threads", "net", "batch"))
    figure, panels = _panels(1.5 + 4 * len(threads), 3.6, len(threads),
                             "Training steps a second, as a multiple of PyTorch's")
    width = 0.8 / len(batches)
    for axes, number in zip(panels, threads):
        for result in results:
            if result["threads"] != number:
                continue
            place = batches.index(result["batch"])
            at = names.index(result["net"]) + width * (place - (len(batches) - 1) / 2)
            axes.bar(at, result["ratio"][0], 0.92 * width, color=_COLOURS[place % len(_COLOURS)])
            axes.errorbar(at, result["ratio"][0], _whiskers(result["ratio"]), color=_GREY,
                          linewidth=1)
        axes.axhline(1, color="black", linewidth=0.8)
        axes.set_xticks(range(len(names)), [f"net {name}" for name in names])
        axes.set_title(_threads(number), fontsize=10)
        axes.grid(axis="y", color="#eaeef2")
    handles = [panels[0].bar(0, 0, color=_COLOURS[place % len(_COLOURS)])
               for place in range(len(batches))]
    figure.legend(handles, [f"batch {batch}" for batch in batches], loc="outside right upper",
                  frameon=False)
    panels[0].set_ylabel("times as fast (1: PyTorch)")
    return figure


def _kernels(results):
    """Bars for each shape, PyTorch as a mark, a panel for each number of threads."""
    threads = _unique(results, "threads")
    shapes = list(dict.fromkeys(tuple(result["shape"]) for result in results))
    figure, panels = _panels(2.5 + 4 * len(threads), 1.6 + 0.45 * len(shapes), len(threads),
                             "Convolution: part of the processor's peak of fused multiply-adds")
    for axes, number in zip(panels, threads):
        for result in results:
            if result["threads"] != number:
                continue
            at = (shapes.index(tuple(result["shape"]))
                  + 0.27 * (list(_PASSES).index(result["pass"]) - 1))
            axes.barh(at, result["of_peak"][0], 0.25, color=_PASSES[result["pass"]])
            low, middle, high = (result["of_peak"][place] for place in (1, 0, 2))
            axes.errorbar(middle, at, xerr=[[middle - low], [high - middle]], color=_GREY,
                          linewidth=1)
            if "torch_gflops" in result:
                axes.plot(result["torch_gflops"][0] / result["peak_gflops"][0], at, "k|",
                          markersize=6, markeredgewidth=1.5)
        axes.axvline(1, color="black", linewidth=0.8)
        axes.set_title(_threads(number), fontsize=10)
        axes.grid(axis="x", color="#eaeef2")
        axes.set_xlim(left=0)
        axes.set_xlabel("of the peak (above 1: Winograd's algorithm)", fontsize=9)
    panels[0].set_yticks(range(len(shapes)), [kernels.describe(shape) for shape in shapes],
                         fontsize=8)
    panels[0].set_ylim(len(shapes) - 0.5, -0.5)
    handles = [panels[0].barh(0, 0, color=colour) for colour in _PASSES.values()]
    labels = list(_PASSES)
    if any("torch_gflops" in result for result in results):
        handles += panels[0].plot([], [], "k|", markersize=6, markeredgewidth=1.5)
        labels.append("PyTorch")
    figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=8)
    return figure


def _scaling(results):
    """A curve for each series, its time a unit as a multiple of the first's."""
    variables = [name for name in _unique(results, "variable") if name != "threads"]
    figure, panels = _panels(3.4 * len(variables), 3.2, len(variables),
                             "Time a unit of work, as a multiple of the smallest's")
    for axes, variable in zip(panels, variables):
        chosen = [result for result in results if result["variable"] == variable]
        at = [result["at"] for result in chosen]
        middle, low, high = zip(*(result["relative"] for result in chosen))
        axes.plot(at, middle, color=_COLOURS[1], marker="o", markersize=4)
        axes.fill_between(at, low, high, color=_COLOURS[0], alpha=0.3, linewidth=0)
        axes.axhline(1, color="black", linewidth=0.8)
        axes.set_xscale("log", base=2)
        axes.set_xticks(at, at)
        axes.set_xlabel(variable)
        axes.set_title(f"{chosen[0]['series']}, {_threads(chosen[0]['threads'])}", fontsize=8)
        axes.grid(color="#eaeef2")
    panels[0].set_ylabel("time a unit")
    panels[0].set_ylim(0, 1.1 * max(result["relative"][2] for result in results
                                    if result["variable"] != "threads"))
    return figure
