"""The table that `Module.summary` returns."""

import numpy as np

from .container import Sequential
from .module import dtype_of, evaluation_mode


def summary(module, input_shape=None):
    """A table of the layers, their output shapes and numbers of parameters.

    Nothing is computed: the layers get a batch of no images.
    """
    input_shape = input_shape or module.input_shape
    if input_shape is None:
        raise ValueError("input_shape is needed: (C, H, W), such as (1, 28, 28)")
    with evaluation_mode(module):
        rows, _ = _rows("", module, np.empty((0, *input_shape), dtype_of(module)))
    total = [parameter.data for parameter in module.parameters()]
    rows = [("", "Layer", "Output shape", "Parameters"),
            ("", "Input", _shape(input_shape), ""), *rows,
            ("", "Total", f"{sum(a.nbytes for a in total) / 1024:,.0f} KiB",
             f"{sum(a.size for a in total):,}")]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return "\n".join(f"{name:{widths[0]}}  {layer:{widths[1]}}  {shape:{widths[2]}}  "
                     f"{count:>{widths[3]}}" for name, layer, shape, count in rows)


def _rows(name, module, x):
    if isinstance(module, Sequential):
        rows = []
        for child_name, child in module.named_children():
            inner, x = _rows(f"{name}.{child_name}".lstrip("."), child, x)
            rows += inner
        return rows, x
    y = module.forward(x)
    count = sum(parameter.data.size for parameter in module.parameters())
    return [(name, type(module).__name__, _shape(y.shape[1:]), f"{count:,}")], y


def _shape(dims):
    return "(" + ", ".join(["N", *map(str, dims)]) + ")"
