"""Layers that only change the shape."""

from ..functional.layout import flatten, unflatten
from .module import Module


class Flatten(Module):
    """All numbers of an image in one row, in the order C, H, W: PyTorch's, whatever the memory.

    Notes
    -----
    Shapes: (N, C, H, W) to (N, C * H * W).
    """

    def forward(self, x):
        y = flatten(x)
        self.remember(x.shape)
        return y

    def backward(self, dy, input_gradient=True, accumulate=False):
        input_size = self.recall()
        return unflatten(dy, input_size) if input_gradient else None
