"""The history of a training in a text file, line by line while it grows."""

import csv
import io
import json
import math
import os
import re

from .. import serialization
from . import paths
from .base import Callback


class _Log(Callback):
    """A file that gets a line an epoch, from `line` and under a `head` of some lines."""

    def __init__(self, path, append=False):
        self.path, self.append = paths.checked(path), bool(append)
        # How many lines the file has, and how many it had when a checkpoint was written.
        self._written, self._kept = 0, None

    def on_fit_begin(self, trainer, state):
        paths.check_writable(self.path)
        self._begun = self.append and os.path.exists(self.path)
        self._written, self._kept = len(_lines(self.path)) if self.append else 0, None

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
            self._begun, self._written = True, len(lines)
        elif self._kept is not None:
            self._forget(state.epoch)
        self._kept = None
        with open(self.path, "a", encoding="utf-8", newline="") as file:
            file.write(self.line(numbers))
        self._written += 1

    def _forget(self, epochs):
        """Drop what a killed training wrote of epochs that come again; never what others wrote."""
        lines = _lines(self.path)
        before, after = lines[:self._kept], lines[self._kept:]
        # The epoch is what comes first in a line of either kind.
        while after and re.match(rf'({{"epoch": )?{epochs + 1}\b', after[0]):
            del after[0]
            epochs += 1
        if len(before) + len(after) < len(lines):
            # Whole or not at all: it may have the lines of many trainings.
            serialization.write(self.path, "".join(before + after).encode())
        self._written = len(before) + len(after)

    def state_dict(self):
        return {"lines": self._written} if self.append else {}

    def load_state_dict(self, state_dict):
        self._kept = state_dict["lines"]

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
