"""Pooling: many pixels to one."""

from ..functional import (_check, adaptive_avg_pool2d, adaptive_avg_pool2d_backward, avg_pool2d,
                          avg_pool2d_backward, global_avg_pool2d, global_avg_pool2d_backward)
from ..functional.pool import max_pool2d_winners_backward, max_pool2d_with_winners
from ..functional.resample import adaptive_size
from ._images import Resizing, channels_last
from .module import Module


class MaxPool2d(Module):
    r"""The largest number of each window; its gradient goes to the first pixel that holds it.

    .. math::
        y[n, c, i, j] = \max_{u, v} x[n, c, s i + d u - p, s j + d v - p]

    Parameters
    ----------
    kernel_size : int or pair
    stride : int, pair or None
        None: the same as `kernel_size`.
    padding : int or pair
        At most half of `kernel_size`; padded pixels never win.
    dilation : int or pair
    ceil_mode : bool
        Round the size of the output up instead of down.

    Notes
    -----
    Shapes: (N, C, H, W) to (N, C, H', W'), H' = floor((H + 2 p - d (kernel - 1) - 1) / s) + 1.
    """

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
        self.kernel_size = _check.pair(kernel_size, "kernel_size", 1)
        self.stride = self.kernel_size if stride is None else _check.pair(stride, "stride", 1)
        self.padding = _pool_padding(padding, self.kernel_size)
        self.dilation = _check.pair(dilation, "dilation", 1)
        self.ceil_mode = bool(ceil_mode)

    def forward(self, x):
        x = channels_last(x)
        y, winners = max_pool2d_with_winners(x, self.kernel_size, self.stride, self.padding,
                                             self.dilation, self.ceil_mode)
        self.remember((winners, x.shape))
        return y

    def backward(self, dy, input_gradient=True, accumulate=False):
        winners, input_size = self.recall()
        if not input_gradient:
            return None
        return max_pool2d_winners_backward(dy, winners, input_size, self.kernel_size, self.stride,
                                           self.padding, self.dilation)

    def config(self):
        return {"kernel_size": self.kernel_size, "stride": self.stride, "padding": self.padding,
                "dilation": self.dilation, "ceil_mode": self.ceil_mode}

    def extra_repr(self):
        return f"{_sizes(self)}, dilation={_short(self.dilation)}, ceil_mode={self.ceil_mode}"


class AvgPool2d(Module):
    r"""The mean of each window.

    .. math::
        y[n, c, i, j] = \frac{1}{k_h k_w} \sum_{u, v} x[n, c, s i + u - p, s j + v - p]

    Parameters
    ----------
    kernel_size : int or pair
    stride : int, pair or None
        None: the same as `kernel_size`.
    padding : int or pair
        Zeros on each side, at most half of `kernel_size`.
    ceil_mode : bool
        Round the size of the output up instead of down.
    count_include_pad : bool
        Whether padded zeros count in the mean.

    Notes
    -----
    Shapes: (N, C, H, W) to (N, C, H', W'), H' = floor((H + 2 p - kernel) / s) + 1.
    """

    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False,
                 count_include_pad=True):
        self.kernel_size = _check.pair(kernel_size, "kernel_size", 1)
        self.stride = self.kernel_size if stride is None else _check.pair(stride, "stride", 1)
        self.padding = _pool_padding(padding, self.kernel_size)
        self.ceil_mode = bool(ceil_mode)
        self.count_include_pad = bool(count_include_pad)

    def forward(self, x):
        x = channels_last(x)
        self.remember(x.shape)
        return avg_pool2d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode,
                          self.count_include_pad)

    def backward(self, dy, input_gradient=True, accumulate=False):
        input_size = self.recall()
        if not input_gradient:
            return None
        return avg_pool2d_backward(dy, input_size, self.kernel_size, self.stride, self.padding,
                                   self.ceil_mode, self.count_include_pad)

    def config(self):
        return {"kernel_size": self.kernel_size, "stride": self.stride, "padding": self.padding,
                "ceil_mode": self.ceil_mode, "count_include_pad": self.count_include_pad}

    def extra_repr(self):
        return _sizes(self)


class AdaptiveAvgPool2d(Resizing):
    r"""The mean of each of OH x OW rectangles, whatever the size of the image.

    Row i of the result is the mean of rows :math:`\lfloor i H / OH \rfloor` to
    :math:`\lceil (i + 1) H / OH \rceil - 1`; likewise the columns.

    Parameters
    ----------
    output_size : int or pair of int or None
        (OH, OW); None: as the image has.

    Notes
    -----
    Shapes: (N, C, H, W) to (N, C, OH, OW).
    """

    def __init__(self, output_size):
        adaptive_size(output_size)
        self.output_size = tuple(output_size) if isinstance(output_size, list) else output_size

    def resize(self, x):
        return adaptive_avg_pool2d(x, self.output_size)

    def resize_backward(self, dy, input_size):
        return adaptive_avg_pool2d_backward(dy, input_size, self.output_size)

    def config(self):
        return {"output_size": self.output_size}

    def extra_repr(self):
        return f"output_size={self.output_size}"


class GlobalAvgPool2d(Resizing):
    """The mean of each channel's plane (PyTorch's ``AdaptiveAvgPool2d(1)``).

    Notes
    -----
    Shapes: (N, C, H, W) to (N, C, 1, 1).
    """

    resize = staticmethod(global_avg_pool2d)
    resize_backward = staticmethod(global_avg_pool2d_backward)


def _pool_padding(padding, kernel_size):
    padding = _check.pair(padding, "padding", 0)
    if any(2 * p > k for p, k in zip(padding, kernel_size)):
        raise ValueError(f"padding must be at most half of kernel_size {kernel_size}, "
                         f"got {padding}")
    return padding


def _sizes(layer):
    return (f"kernel_size={_short(layer.kernel_size)}, stride={_short(layer.stride)}, "
            f"padding={_short(layer.padding)}")


def _short(pair):
    """(2, 2) as 2, the way it is mostly written."""
    return pair[0] if pair[0] == pair[1] else pair
