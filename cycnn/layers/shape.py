"""Layers that only move numbers: into a row, into a frame, to more or fewer pixels."""

import numpy as np

from ..functional import interpolate, interpolate_backward, zero_pad2d, zero_pad2d_backward
from ..functional.layout import flatten, unflatten
from ..functional.pad import sides
from ..functional.resample import check_scale
from ._images import Resizing
from .module import Module


class Flatten(Module):
    """All numbers of an image in one row, in the order C, H, W: PyTorch's, whatever the memory.

    Notes
    -----
    Shapes: (N, C, H, W) to (N, C * H * W).
    """

    def forward(self, x):
        y = flatten(x)
        self.remember(np.shape(x))
        return y

    def backward(self, dy, input_gradient=True, accumulate=False):
        input_size = self.recall()
        return unflatten(dy, input_size) if input_gradient else None


class ZeroPad2d(Resizing):
    """Rows and columns of zeros around each image.

    Parameters
    ----------
    padding : int, or four of them
        (left, right, top, bottom), PyTorch's order. A negative one cuts off.

    Notes
    -----
    Shapes: (N, C, H, W) to (N, C, H + top + bottom, W + left + right).
    """

    def __init__(self, padding):
        self.padding = sides(padding)

    def resize(self, x):
        return zero_pad2d(x, self.padding)

    def resize_backward(self, dy, input_size):
        return zero_pad2d_backward(dy, input_size, self.padding)

    def config(self):
        return {"padding": self.padding}

    def extra_repr(self):
        return f"{self.padding}"


class Upsample(Resizing):
    r"""Images scaled up or down: each pixel is that of x nearest above and on the left.

    .. math::
        y[n, c, i, j] = x[n, c, \lfloor i s_h \rfloor, \lfloor j s_w \rfloor]

    with :math:`s = 1 / scale\_factor`, or H / OH where the size is given.

    Parameters
    ----------
    size : int or pair of int, optional
        (OH, OW).
    scale_factor : float or pair of float, optional
        Instead of `size`; above 0.
    mode : {"nearest"}
        PyTorch's other modes are not there.

    Notes
    -----
    Shapes: (N, C, H, W) to (N, C, OH, OW), OH = floor(H * scale_factor).
    """

    def __init__(self, size=None, scale_factor=None, mode="nearest"):
        check_scale(size, scale_factor, mode)
        # A model file has lists where there were tuples.
        self.size, self.scale_factor = (tuple(value) if isinstance(value, list) else value
                                        for value in (size, scale_factor))
        self.mode = mode

    def resize(self, x):
        return interpolate(x, self.size, self.scale_factor, self.mode)

    def resize_backward(self, dy, input_size):
        return interpolate_backward(dy, input_size, self.size, self.scale_factor, self.mode)

    def config(self):
        return {"size": self.size, "scale_factor": self.scale_factor, "mode": self.mode}

    def extra_repr(self):
        if self.size is not None:
            return f"size={self.size}, mode={self.mode!r}"
        factor = self.scale_factor
        factor = tuple(map(float, factor)) if isinstance(factor, (tuple, list)) else float(factor)
        return f"scale_factor={factor}, mode={self.mode!r}"
