"""The history of a training in a text file, line by line while it grows."""

import csv
import io
import json
import math
import os

from .base import Callback
from .checkpoints import check_writable


class _Log(Callback):
    """A file that gets a line an epoch, from `line` and under a `head` of some lines."""

    def __init__(self, path, append=False):
        self.path, self.append = os.fspath(path), bool(append)

    def on_fit_begin(self, trainer, state):
        check_writable(self.path)
        self._begun = self.append and os.path.exists(self.path)

    def on_epoch_end(self, trainer, state):
        numbers = {"epoch": state.epoch + 1, **{name: getattr(state.history, name)[-1]
                                                for name in sorted(state.records)}}
        if hasattr(trainer.optimizer, "lr"):
            numbers["lr"] = trainer.optimizer.lr
        if not self._begun:
            # A killed training may have written of an epoch that its checkpoint knows nothing of.
            lines = self.head(numbers)
            if state.resumed:
                lines = _lines(self.path)[:len(lines) + state.epoch] or lines
            with open(self.path, "w", encoding="utf-8", newline="") as file:
                file.writelines(lines)
            self._begun = True
        with open(self.path, "a", encoding="utf-8", newline="") as file:
            file.write(self.line(numbers))

    def head(self, numbers):
        return []


class JSONLinesLog(_Log):
    """A line of JSON an epoch: ``{"epoch": 1, "train_loss": 0.41, ..., "lr": 0.05}``.

    Parameters
    ----------
    path : str or path-like
    append : bool
        Write after what the file holds already. By default a new training begins a new file; one
        that is resumed goes on with its own.
    """

    def line(self, numbers):
        # JSON has no infinity and no NaN.
        return json.dumps({name: value if math.isfinite(value) else None
                           for name, value in numbers.items()}, allow_nan=False) + "\n"


class CSVLog(_Log):
    """A table with a line an epoch, under a line with the names. Parameters as for
    :class:`JSONLinesLog`.
    """

    def head(self, numbers):
        return [self._row(numbers)]

    def line(self, numbers):
        return self._row(numbers.values())

    def _row(self, cells):
        row = io.StringIO()
        csv.writer(row, lineterminator="\n").writerow(cells)
        return row.getvalue()


def _lines(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8", newline="") as file:
        # The last line of a process that was killed may be a part of one.
        return [line for line in file if line.endswith("\n")]
