"""A frame of zeros around images."""

from ..kernels import cpu
from ..kernels import place as kernels
from . import _check
from ._format import is_channels_last
from ._memory import empty
from ._windows import images_of, rows_of, sizes_of


def zero_pad2d(x, padding):
    """Images with rows and columns of zeros around them.

    Parameters
    ----------
    x : array_like, shape (N, C, H, W)
        float32 or float64 (integers and float16 become float32), any strides.
    padding : int, or four of them
        (left, right, top, bottom), PyTorch's order; one integer stands for all four. A negative
        one cuts off.

    Returns
    -------
    ndarray, shape (N, C, H + top + bottom, W + left + right)
        In the memory format of `x`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, or the result would have no pixel.
    """
    x = _check.floats(x, "x", 4)
    n, c, h, w = x.shape
    left, right, top, bottom = sides(padding)
    return _pad(x, top, left, _size(x.shape, left, right, top, bottom))


def zero_pad2d_backward(dy, input_size, padding):
    """The gradient of :func:`zero_pad2d`: dy without its frame.

    Parameters
    ----------
    dy : array_like, shape (N, C, H + top + bottom, W + left + right)
        Gradient of the result.
    input_size : tuple of int
        (N, C, H, W) or (H, W) of the argument.
    padding : int, or four of them
        As for :func:`zero_pad2d`.

    Returns
    -------
    ndarray, shape (N, C, H, W)
        In the memory format of `dy`; zeros where `padding` cut off.
    """
    dy = _check.floats(dy, "dy", 4)
    input_size = sizes_of(input_size, dy)
    left, right, top, bottom = sides(padding)
    out = _size(input_size, left, right, top, bottom)
    _check.shape(dy, (*input_size[:2], *out), "dy", "that of the result")
    return _pad(dy, -top, -left, input_size[2:])


def sides(padding):
    """(left, right, top, bottom)."""
    if isinstance(padding, (tuple, list)):
        if len(padding) != 4:
            raise ValueError("padding must be one integer or four, (left, right, top, bottom), "
                             f"got {padding!r}")
        return tuple(_check.integer(side, "padding", -_check._LARGEST_INT) for side in padding)
    return (_check.integer(padding, "padding", -_check._LARGEST_INT),) * 4


def _size(shape, left, right, top, bottom):
    """(OH, OW)"""
    n, c, h, w = shape
    out = h + top + bottom, w + left + right
    if min(out) < 1 or not h * w:
        raise ValueError(f"padding must leave at least one pixel, got ({left}, {right}, {top}, "
                         f"{bottom}) for images of {h} x {w}")
    _check.size((n, c, *out), "the result")
    return out


def _pad(x, top, left, out):
    planes = not is_channels_last(x)
    rows = rows_of(x, planes)
    y = empty((rows.shape[0], *out, rows.shape[3]), x.dtype)
    if y.size:
        kernels.pad(rows, y, top, left, x.itemsize, cpu.threads_for(y.size * 4))
    return images_of(y, planes, x.shape)
