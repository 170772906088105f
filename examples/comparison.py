"""The table at the end of a program: what its model text published, and what came out here."""

import math
import statistics
from typing import NamedTuple


class Row(NamedTuple):
    """One figure; the speeds, in images a second, stand where the figure took a training.

    `loops` is the speed of the plain NumPy loops of `loops.py`, timed on a few images.
    """

    figure: str
    published: str
    measured: str
    here: float | None = None
    loops: float | None = None


def table(rows):
    """Print the rows as a table."""
    print("\n| | published | measured | images a second here | of the loops | factor |",
          "|---|---|---|---|---|---|", sep="\n")
    for row in rows:
        speeds = ["", "", ""]
        if row.here:
            speeds[0] = figures(row.here)
        if row.here and row.loops:
            speeds[1:] = figures(row.loops), figures(row.here / row.loops)
        print("|", " | ".join([row.figure, row.published, row.measured, *speeds]), "|")


def figures(number):
    """A number above 0 in at least three figures."""
    return f"{number:,.{max(0, 2 - math.floor(math.log10(number)))}f}"


def spread(values, form="{:.2%}"):
    """The mean of what several seeds gave, and the standard deviation where there are several."""
    values = [float(value) for value in values]
    text = form.format(statistics.mean(values))
    return f"{text} ± {form.format(statistics.stdev(values))}" if len(values) > 1 else text
