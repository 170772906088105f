"""The table that `Module.summary` prints."""

import math

import numpy as np

from .. import batches
from ..functional import _check
from .parameter import Parameter
from .prediction import dtype_of, evaluation_mode
from .recording import recording

_HEAD = ("", "Layer", "Output shape", "Parameters", "Multiply-adds", "Memory")


class Summary(str):
    """The text; at the prompt it shows as nothing, for it has been printed."""

    def __repr__(self):
        return ""


def summary(module, input_shape=None):
    """The table as text: a row for each layer, in the order of their calls.

    Nothing is computed: the layers get a batch of no images.
    """
    input_shape = module.input_shape if input_shape is None else input_shape
    if input_shape is None:
        raise ValueError("input_shape is needed: (C, H, W), such as (1, 28, 28)")
    if not isinstance(input_shape, (tuple, list)) or len(input_shape) == 0:
        raise TypeError(f"input_shape must be a tuple such as (1, 28, 28), got {input_shape!r}")
    input_shape = tuple(_check.integer(size, "input_shape", 1) for size in input_shape)
    dtype = dtype_of(module)
    rows = []

    def forward(x):
        rows.clear()
        module.forward(x)

    def record(name, layer, x, y):
        own = sum(value.data.size for value in vars(layer).values()
                  if isinstance(value, Parameter))
        rows.append((name, type(layer).__name__, math.prod(y.shape[1:]), own,
                     layer.multiply_adds(x.shape[1:], y.shape[1:]), y.shape[1:]))

    with recording(module, record), evaluation_mode(module):
        batches.output_of_none(forward, np.empty((0, *input_shape), dtype))
    parameters = [parameter.data for parameter in module.parameters()]
    outputs = math.prod(input_shape) + sum(row[2] for row in rows)
    adds = sum(row[4] for row in rows)
    lines = [_HEAD, ("", "Input", _shape(input_shape), "", "",
                     _bytes(math.prod(input_shape) * dtype.itemsize))]
    lines += [(name, layer, _shape(shape), f"{count:,}", f"{each:,}" if each else "",
               _bytes(size * dtype.itemsize)) for name, layer, size, count, each, shape in rows]
    lines.append(("", "Total", "", f"{sum(a.size for a in parameters):,}", f"{adds:,}",
                  _bytes(outputs * dtype.itemsize)))
    widths = [max(len(line[i]) for line in lines) for i in range(len(_HEAD))]
    table = ["  ".join(text.ljust(width) if i < 3 else text.rjust(width)
                       for i, (text, width) in enumerate(zip(line, widths))).rstrip()
             for line in lines]
    size = _bytes(sum(a.nbytes for a in parameters))
    table.append(f"Parameters take {size}. Multiply-adds and memory (of the outputs) are those of "
                 "one image.")
    return Summary("\n".join(table))


def _shape(dims):
    return "(" + ", ".join(["N", *map(str, dims)]) + ")"


def _bytes(size):
    return f"{size / 1024:,.1f} KiB" if size < 1 << 20 else f"{size / (1 << 20):,.1f} MiB"
