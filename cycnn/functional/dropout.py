"""Dropout: some numbers set to zero, at random but found again from a key."""

import numpy as np

from ..kernels import cpu
from ..kernels import dropout as kernels
from . import _check
from ._format import from_nhwc, is_channels_last, to_nhwc
from ._memory import empty

# The work of one number, in the units of cpu.threads_for.
_WORK = 16


def dropout(x, p=0.5, key=0):
    """Each number set to 0 with probability p, the others divided by 1 - p.

    Which ones follows from the key and from where a number stands: its place on the first axis (the
    sample) and its place within the sample. The same key drops the same, for any number of threads,
    any memory format, and any other samples in the batch.

    Parameters
    ----------
    x : array_like, shape (N, ...)
        float32 or float64 (integers and float16 become float32), any strides.
    p : float
        From 0 to 1.
    key : int
        At least 0, below 2**64.

    Returns
    -------
    ndarray
        Of the shape and dtype of `x`; images in the memory format of `x`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, or p or key out of range.

    References
    ----------
    Srivastava et al., 2014 (JMLR 15). Generators by counter: Salmon et al., 2011.
    """
    return _drop(_check.floats(x, "x"), p, key, False)


def dropout_backward(dy, p=0.5, key=0):
    """The gradient of :func:`dropout`, called with the same p and key: it drops the same of dy."""
    return _drop(_check.floats(dy, "dy"), p, key, False)


def dropout2d(x, p=0.5, key=0):
    """Whole channels of an image set to 0 with probability p, the others divided by 1 - p.

    Parameters
    ----------
    x : array_like, shape (N, C, H, W)
        float32 or float64 (integers and float16 become float32), any strides.
    p, key
        As for :func:`dropout`.

    Returns
    -------
    ndarray
        Of the shape, dtype and memory format of `x`.

    References
    ----------
    Tompson et al., 2015 (arXiv:1411.4280).
    """
    return _drop(_check.floats(x, "x", 4), p, key, True)


def dropout2d_backward(dy, p=0.5, key=0):
    """The gradient of :func:`dropout2d`, called with the same p and key."""
    return _drop(_check.floats(dy, "dy", 4), p, key, True)


def probability(p):
    """p, if it is one."""
    p = _check.number(p, "p", 0)
    if p > 1:
        raise ValueError(f"p must be a probability, at most 1, got {p}")
    return p


def _drop(x, p, key, whole_channels):
    p = probability(p)
    key = _key(key)
    if x.ndim == 4:
        rows = to_nhwc(x)
        samples, channels = len(rows), rows.shape[3]
    else:
        # What is no image is a sample of one row. The first axis of a lone number is missing.
        rows = np.ascontiguousarray(x)
        samples = len(x) if x.ndim else 1
        channels = rows.size // max(samples, 1)
    y = empty(rows.shape, x.dtype)
    if y.size:
        if p in (0, 1):
            y[...] = rows if p == 0 else 0
        else:
            kernels.forward(rows, y, key, 1 - p, samples, rows.size // (samples * channels),
                            channels, whole_channels, x.itemsize, cpu.threads_for(y.size * _WORK))
    return from_nhwc(y, is_channels_last(x)) if x.ndim == 4 else y.reshape(x.shape)


def _key(key):
    if isinstance(key, (bool, np.bool_)) or not isinstance(key, (int, np.integer)):
        raise TypeError(f"key must be an integer, got {key!r}")
    if not 0 <= key < 1 << 64:
        raise ValueError(f"key must be at least 0 and below 2**64, got {key}")
    return int(key)
