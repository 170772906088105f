"""The rules that `cycnn.kernels.api` asks, for callers in Cython and C who have no arrays to show.

They are those of :func:`conv2d` and :func:`max_pool2d`. The kernels import nothing from here: what
they are to ask is laid into `kernels.rules`.
"""

from .. import kernels
from . import _algorithm, _check
from ._windows import window_geometry
from .conv import plan_for
from .pool import winners_for


def conv2d(x_shape, out_channels, kernel_size, stride, padding, dilation, groups, algorithm):
    """((OH, OW), the families of kernels of all passes, for float32 and then for float64)."""
    _check_images(x_shape)
    out_channels = _check.integer(out_channels, "out_channels", 1)
    groups = _check.integer(groups, "groups", 1)
    if x_shape[1] % groups:
        raise ValueError(f"groups must divide channels={x_shape[1]}, got {groups}")
    weight_shape = (out_channels, x_shape[1] // groups, *_check.pair(kernel_size, "kernel_size", 1))
    _check.size(weight_shape, "weight")
    algorithm = _check.integer(algorithm, "algorithm", 0)
    if algorithm >= len(_algorithm.ALGORITHMS):
        raise ValueError("algorithm must be CONV2D_AUTO, CONV2D_DIRECT or CONV2D_WINOGRAD, got "
                         f"{algorithm}")
    families = []
    for dtype in (_check.FLOAT32, _check.FLOAT64):
        plan = plan_for(x_shape, weight_shape, dtype, stride, padding, dilation, groups)
        by_winograd = _algorithm.choose(_algorithm.ALGORITHMS[algorithm], plan.winograd)
        families += plan.families(by_winograd)
    return plan.out_shape[2:], families


def max_pool2d(x_shape, kernel_size, stride, padding, dilation, ceil_mode):
    """((OH, OW), bytes of a winner)."""
    _check_images(x_shape)
    out, geometry = window_geometry(x_shape, kernel_size, stride, padding, dilation, ceil_mode)
    return out, winners_for(geometry).itemsize


def _check_images(shape):
    for size, name, least in zip(shape, ("n", "channels", "height", "width"), (0, 1, 1, 1)):
        _check.integer(size, name, least)
    _check.size(shape, "x")


kernels.rules.update(conv2d=conv2d, max_pool2d=max_pool2d)
