"""Several arrays made one: added up, or put side by side along the channels."""

import numpy as np

from ..kernels import add as add_kernel
from ..kernels import cpu, place
from . import _check
from ._format import from_nhwc, is_channels_last, to_nhwc
from ._memory import empty
from .activation import dense, empty_like, like


def add(x, other, relu=False):
    """x + other, and the ReLU of that if wanted, in one pass over memory.

    Parameters
    ----------
    x : array_like
        float32 or float64 (integers and float16 become float32), any shape and strides.
    other : array_like
        Of the shape and type of `x`.
    relu : bool, optional
        Whether to cut off below zero, as :func:`relu` does. Its backward pass is
        :func:`relu_backward`, and the gradient of both `x` and `other` is that of the sum.

    Returns
    -------
    ndarray
        Of the shape, dtype and memory order of `x`.

    Raises
    ------
    TypeError, ValueError
        If an argument is no array of numbers, or types or shapes differ.
    """
    return _add(x, other, "x", "other", None, relu)


def add_gradients(dx, other, positive=None, overwrite=False):
    """The sum of two gradients of one array, 0 where `positive` is not above 0.

    `positive`, of the same shape, is the result of a ReLU whose backward pass is done too. With
    `overwrite`, the sum takes the place of dx, if that is an array without gaps.
    """
    return _add(dx, other, "dx", "the other dx", positive, False, overwrite)


def concat(arrays):
    """Arrays side by side along the channels, their second axis.

    Parameters
    ----------
    arrays : sequence of array_like
        Each (N, C, H, W) or (N, features), float32 or float64, any strides; they differ at most in
        C. At least one.

    Returns
    -------
    ndarray, shape (N, sum of the C, H, W)
        In the memory format of the first.

    Raises
    ------
    TypeError, ValueError
        If there is none, or shapes or types do not fit together.
    """
    if isinstance(arrays, np.ndarray) or not isinstance(arrays, (list, tuple)):
        raise TypeError(f"arrays must be a list or tuple of arrays, got {type(arrays).__name__}")
    if not arrays:
        raise ValueError("arrays must hold at least one array, got none")
    first = _check_rank(_check.floats(arrays[0], "arrays[0]"), "arrays[0]")
    parts = [first]
    for i, x in enumerate(arrays[1:], 1):
        x = _check.floats(x, f"arrays[{i}]", dtype=first.dtype)
        if x.ndim != first.ndim or x.shape[:1] + x.shape[2:] != first.shape[:1] + first.shape[2:]:
            raise ValueError(f"arrays[{i}] must have the shape of arrays[0], {first.shape}, but "
                             f"for the channels, got {x.shape}")
        parts.append(x)
    channels = sum(x.shape[1] for x in parts)
    shape = first.shape[0], channels, *first.shape[2:]
    _check.size(shape, "the result")
    rows = empty((shape[0], *shape[2:], channels), first.dtype)
    at = 0
    for x in parts:
        _copy(_rows(x), 0, rows, at, x.shape[1])
        at += x.shape[1]
    return from_nhwc(rows, is_channels_last(first)) if first.ndim == 4 else rows


def concat_backward(dy, channels):
    """The gradient of :func:`concat`: dy cut apart.

    Parameters
    ----------
    dy : array_like, shape (N, C, H, W) or (N, features)
        Gradient of the result.
    channels : sequence of int
        How many channels each of the arrays had; their sum is C.

    Returns
    -------
    list of ndarray
        Each in the memory format of `dy`.
    """
    dy = _check_rank(_check.floats(dy, "dy"), "dy")
    channels = [_check.integer(count, "channels", 0) for count in channels]
    if sum(channels) != dy.shape[1]:
        raise ValueError(f"dy must have {sum(channels)} channels, the sum of {channels}, "
                         f"got shape {dy.shape}")
    rows, parts, at = _rows(dy), [], 0
    for count in channels:
        part = empty((*rows.shape[:-1], count), dy.dtype)
        _copy(rows, at, part, 0, count)
        parts.append(from_nhwc(part, is_channels_last(dy)) if dy.ndim == 4 else part)
        at += count
    return parts


def _check_rank(x, name):
    if x.ndim not in (2, 4):
        raise ValueError(f"{name} must have 4 dimensions (N, C, H, W), or 2 (N, features), "
                         f"got shape {x.shape}")
    return x


def _rows(x):
    return to_nhwc(x) if x.ndim == 4 else np.ascontiguousarray(x)


def _copy(source, first, target, at, count):
    """`count` channels of source, from `first` on, to those of target from `at` on."""
    size = source.size // max(source.shape[-1], 1) * count
    if size:
        place.copy_channels(source, first, source.shape[-1], target, at, target.shape[-1], count,
                            size // count, source.itemsize, cpu.threads_for(size * 4))


def _add(x, other, name, other_name, positive, relu, overwrite=False):
    x, memory = dense(_check.floats(x, name))
    other = _check.floats(other, other_name, dtype=x.dtype)
    if other.shape != x.shape:
        _check.shape(other, x.shape, other_name, f"that of {name}")
    y, result = (x, memory) if overwrite else empty_like(x, memory)
    if size := x.size:
        if positive is not None:
            positive = like(positive, x, memory)
        add_kernel.add(memory, like(other, x, memory), result, positive, size, size, x.itemsize,
                       relu, cpu.threads_for(size * 8))
    return y
