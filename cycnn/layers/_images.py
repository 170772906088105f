"""How images enter a layer: channels last, so that every layer after it stays so without a copy."""

from ..functional import _check, _format


def channels_last(x, dtype=None):
    """`x`, (N, C, H, W), in the format channels last; `dtype` is what integers are converted to."""
    return _format.channels_last(_check.floats(x, "x", 4, dtype))
