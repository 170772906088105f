"""How images enter a layer: channels last, so that every layer after it stays so without a copy."""

from ..functional import _check
from ..functional._format import is_channels_last, to_nhwc


def channels_last(x, dtype=None):
    """`x`, (N, C, H, W), in the format channels last; `dtype` is what integers are converted to."""
    x = _check.floats(x, "x", 4, dtype)
    if is_channels_last(x):
        return x
    rows = to_nhwc(x)
    n, h, w, c = rows.shape
    if c == 1:
        # The same memory serves both formats: what says "channels last" is the channel's stride,
        # which NumPy makes anew with a new axis.
        rows = rows.reshape(n, h, w).reshape(n, h, w, 1)
    return rows.transpose(0, 3, 1, 2)
