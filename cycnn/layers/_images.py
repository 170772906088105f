"""How images enter a layer: channels last, so that every layer after it stays so without a copy."""

from ..functional import _check, _format
from .module import Module


def channels_last(x, dtype=None):
    """`x`, (N, C, H, W), in the format channels last; `dtype` is what integers are converted to."""
    return _format.channels_last(_check.floats(x, "x", 4, dtype))


class Resizing(Module):
    """A layer that makes images of another size, and whose gradient needs only the size of x.

    It has :meth:`resize` and :meth:`resize_backward`, both of images that are channels last.
    """

    def forward(self, x):
        x = channels_last(x)
        y = self.resize(x)
        self.remember(x.shape)
        return y

    def backward(self, dy, input_gradient=True, accumulate=False):
        input_size = self.recall()
        if not input_gradient:
            return None
        return self.resize_backward(_format.channels_last(_check.floats(dy, "dy", 4)), input_size)
