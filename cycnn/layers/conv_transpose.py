"""Transposed convolution."""

import math

import numpy as np

from .. import init
from ..functional import _check, conv_transpose2d, conv_transpose2d_backward
from ..functional.conv_transpose import check_output_padding
from ._images import channels_last
from .module import Module
from .parameter import Parameter


class ConvTranspose2d(Module):
    r"""Every pixel of x spreads a learned kernel over y: with a stride, a larger image.

    .. math::
        y[n, k, h s - p + u d, w s - p + v d] \mathrel{+}= \sum_c weight[c, k, u, v]\, x[n, c, h, w]

    for every pixel (h, w) and tap (u, v), plus b[k]; with groups, c runs over the group of k.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride : int or pair
    padding : int or pair
        Rows and columns that y lacks on each side: what a :class:`Conv2d` of this padding adds.
    output_padding : int or pair
        Rows and columns that y has more below and on the right; less than stride or dilation.
    groups : int
        Divides both numbers of channels.
    bias : bool
    dilation : int or pair
    dtype : numpy.dtype
        float32 or float64.
    rng : numpy.random.Generator, int or None
        Where the weights come from, U(-1/sqrt(n), 1/sqrt(n)) with n = out_channels / groups times
        the kernel's size, as in PyTorch; None takes the generator that :func:`cycnn.manual_seed`
        resets.

    Attributes
    ----------
    weight : Parameter, (in_channels, out_channels / groups, kernel height, kernel width)
    bias : Parameter, (out_channels,), or None

    Notes
    -----
    Shapes: (N, in_channels, H, W) to (N, out_channels, H', W') with
    H' = (H - 1) s - 2 p + d (kernel - 1) + output_padding + 1.
    """

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0,
                 output_padding=0, groups=1, bias=True, dilation=1, dtype=np.float32, rng=None):
        self.in_channels = _check.integer(in_channels, "in_channels", 1)
        self.out_channels = _check.integer(out_channels, "out_channels", 1)
        self.kernel_size = _check.pair(kernel_size, "kernel_size", 1)
        self.stride = _check.pair(stride, "stride", 1)
        self.padding = _check.pair(padding, "padding", 0)
        self.dilation = _check.pair(dilation, "dilation", 1)
        self.output_padding = check_output_padding(output_padding, self.stride, self.dilation)
        self.groups = _check.integer(groups, "groups", 1)
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"groups must divide in_channels and out_channels, got groups={groups}"
                             f" for {in_channels} and {out_channels}")
        # The bound is that of the weight's own shape; the bias has a number an output channel.
        weight, _ = init.weight_and_bias(
            (self.in_channels, self.out_channels // self.groups, *self.kernel_size), False, dtype,
            rng := init.generator(rng))
        self.weight = Parameter(weight)
        self.bias = Parameter(init.uniform(
            (self.out_channels,), 1 / np.sqrt(weight[0].size), dtype, rng)) if bias else None

    def forward(self, x):
        x = channels_last(x, self.weight.data.dtype)
        y = conv_transpose2d(x, self.weight.data, self.bias.data if self.bias else None,
                             *self._options())
        self.remember(x)
        return y

    def backward(self, dy, input_gradient=True, accumulate=False):
        dx, dweight, dbias = conv_transpose2d_backward(
            dy, self.recall(), self.weight.data, self.bias is not None, *self._options(),
            input_gradient=input_gradient)
        self.weight.set_grad(dweight, accumulate)
        if self.bias:
            self.bias.set_grad(dbias, accumulate)
        return dx

    def _options(self):
        return self.stride, self.padding, self.output_padding, self.groups, self.dilation

    def multiply_adds(self, input_shape, output_shape):
        return math.prod(input_shape) * self.weight.data[0].size

    def config(self):
        return {"in_channels": self.in_channels, "out_channels": self.out_channels,
                "kernel_size": self.kernel_size, "stride": self.stride, "padding": self.padding,
                "output_padding": self.output_padding, "groups": self.groups,
                "bias": self.bias is not None, "dilation": self.dilation,
                "dtype": self.weight.data.dtype.name}

    def extra_repr(self):
        text = (f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
                f"stride={self.stride}")
        text += f", padding={self.padding}" if self.padding != (0, 0) else ""
        text += f", dilation={self.dilation}" if self.dilation != (1, 1) else ""
        text += f", output_padding={self.output_padding}" if self.output_padding != (0, 0) else ""
        text += f", groups={self.groups}" if self.groups != 1 else ""
        return text + ("" if self.bias else ", bias=False")
