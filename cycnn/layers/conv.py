"""Convolution."""

import math

import numpy as np

from .. import init
from ..functional import _check, conv2d, conv2d_backward
from ..functional.conv import kind_of, smallest_output
from ._images import channels_last
from .module import Module
from .parameter import Parameter


class Conv2d(Module):
    r"""Convolution of images with learned filters (a cross-correlation, as everywhere in CNNs).

    .. math::
        y[n, k, i, j] = b[k] + \sum_{c, u, v} w[k, c, u, v]\, x[n, c, s i + d u - p, s j + d v - p]

    with stride s, dilation d and padding p; with groups, c runs over the group of k.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or pair
    padding : int, pair, "same" (for stride 1) or "valid"
        Zeros added on each side.
    groups : int
        Divides both numbers of channels; with `groups=in_channels` the convolution is depthwise.
    bias : bool
    dtype : numpy.dtype
        float32 or float64.
    rng : numpy.random.Generator, int or None
        Where the weights come from, U(-1/sqrt(fan_in), 1/sqrt(fan_in)) as in PyTorch; None takes
        the generator that :func:`cycnn.manual_seed` resets.
    untied_bias : int or pair, optional
        Height and width of the output: the bias then has a number for every position in it, and the
        layer takes only images that give outputs of this size. None: a number a channel.

    Attributes
    ----------
    weight : Parameter, (out_channels, in_channels / groups, kernel height, kernel width)
    bias : Parameter, (out_channels,), or None
        With `untied_bias` (out_channels, height, width), b[k, i, j] in the formula, as Lasagne's
        ``untie_biases=True`` has it.

    Notes
    -----
    Shapes: (N, in_channels, H, W) to (N, out_channels, H', W') with
    H' = floor((H + 2 p - d (kernel - 1) - 1) / s) + 1.

    Raises
    ------
    ValueError, TypeError
        If arguments cannot be, or do not fit together, such as ``bias=False`` and `untied_bias`.
    """

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1,
                 groups=1, bias=True, dtype=np.float32, rng=None, untied_bias=None):
        self.in_channels = _check.integer(in_channels, "in_channels", 1)
        self.out_channels = _check.integer(out_channels, "out_channels", 1)
        self.kernel_size = _check.pair(kernel_size, "kernel_size", 1)
        self.stride = _check.pair(stride, "stride", 1)
        self.padding = _padding(padding, self.stride)
        self.dilation = _check.pair(dilation, "dilation", 1)
        self.groups = _check.integer(groups, "groups", 1)
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"groups must divide in_channels and out_channels, got groups={groups}"
                             f" for {in_channels} and {out_channels}")
        self.untied_bias = self._untied(untied_bias, bias)
        weight, values = init.weight_and_bias(
            (self.out_channels, self.in_channels // self.groups, *self.kernel_size),
            bias, dtype, rng, self.untied_bias or ())
        self.weight = Parameter(weight)
        self.bias = Parameter(values) if bias else None

    def _untied(self, size, bias):
        """`untied_bias`, checked: as a pair, or None."""
        if size is None:
            return None
        if isinstance(size, (bool, np.bool_)):
            raise TypeError("untied_bias must be the height and width of the output, or None, got "
                            f"{size!r}")
        size = _check.pair(size, "untied_bias", 1)
        if not bias:
            raise ValueError(f"untied_bias={size} needs bias=True, got bias={bias!r}")
        least = smallest_output(self.kernel_size, self.stride, self.padding, self.dilation)
        if size[0] < least[0] or size[1] < least[1]:
            raise ValueError(f"untied_bias must be at least {least}, the output of one pixel with "
                             f"padding={self.padding!r}, got {size}")
        _check.size((self.out_channels, *size), "an untied bias")
        return size

    def forward(self, x):
        x = channels_last(x, self.weight.data.dtype)
        self.remember(x)
        return conv2d(x, self.weight.data, self.bias.data if self.bias else None,
                      self.stride, self.padding, self.dilation, self.groups)

    def backward(self, dy, input_gradient=True, accumulate=False):
        dx, dweight, dbias = conv2d_backward(
            dy, channels_last(self.recall()), self.weight.data,
            kind_of(self.bias.data if self.bias else None),
            self.stride, self.padding, self.dilation, self.groups, input_gradient)
        self.weight.set_grad(dweight, accumulate)
        if self.bias:
            self.bias.set_grad(dbias, accumulate)
        return dx

    def multiply_adds(self, input_shape, output_shape):
        return math.prod(output_shape) * self.weight.data[0].size

    def config(self):
        return {"in_channels": self.in_channels, "out_channels": self.out_channels,
                "kernel_size": self.kernel_size, "stride": self.stride, "padding": self.padding,
                "dilation": self.dilation, "groups": self.groups, "bias": self.bias is not None,
                "dtype": self.weight.data.dtype.name,
                **({"untied_bias": self.untied_bias} if self.untied_bias else {})}

    def extra_repr(self):
        text = (f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
                f"stride={self.stride}")
        text += f", padding={self.padding}" if self.padding not in ((0, 0), "valid") else ""
        text += f", dilation={self.dilation}" if self.dilation != (1, 1) else ""
        text += f", groups={self.groups}" if self.groups != 1 else ""
        text += f", untied_bias={self.untied_bias}" if self.untied_bias else ""
        return text + ("" if self.bias else ", bias=False")


def _padding(padding, stride):
    if not isinstance(padding, str):
        return _check.pair(padding, "padding", 0)
    if padding not in ("same", "valid"):
        raise ValueError("padding must be an integer, a pair, 'same' or 'valid', "
                         f"got {padding!r}")
    if padding == "same" and stride != (1, 1):
        raise ValueError(f"padding='same' needs stride 1, got {stride}")
    return padding
