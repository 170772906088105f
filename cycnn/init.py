"""Initial weights, with PyTorch's names and bounds.

Each function takes a weight's shape, (out, in, ...), and returns a new array. Where no generator
is given they draw from one that all layers share and :func:`cycnn.manual_seed` resets.
"""

import math

import numpy as np

from .functional import _check
from .functional._memory import aligned
from .random import generator


def uniform(shape, bound, dtype=np.float32, rng=None):
    """Numbers spread evenly over [-bound, bound).

    Parameters
    ----------
    shape : tuple of int
    bound : float
    dtype : numpy.dtype
        float32 or float64.
    rng : numpy.random.Generator, int or None
        See :func:`generator`.

    Returns
    -------
    numpy.ndarray
    """
    _check.size(shape, "weight")
    values = generator(rng).random(shape, dtype=float_dtype(dtype))
    values *= 2 * bound
    values -= bound
    return aligned(values)


def normal(shape, std, dtype=np.float32, rng=None):
    """Normally distributed numbers of mean 0; parameters as for :func:`uniform`."""
    _check.size(shape, "weight")
    values = generator(rng).standard_normal(shape, dtype=float_dtype(dtype))
    values *= std
    return aligned(values)


def fans(shape):
    """How many inputs reach one output, and how many outputs one input reaches."""
    if len(shape) < 2:
        raise ValueError(f"shape must have at least 2 dimensions (out, in, ...), got {shape}")
    area = math.prod(shape[2:])
    return shape[1] * area, shape[0] * area


def gain(nonlinearity, a=0.0):
    """The factor that keeps the variance the same through `nonlinearity`.

    Parameters
    ----------
    nonlinearity : {"linear", "sigmoid", "tanh", "relu", "leaky_relu"}
    a : float
        The slope of a leaky ReLU below zero.
    """
    gains = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2),
             "leaky_relu": math.sqrt(2 / (1 + a * a))}
    if nonlinearity not in gains:
        raise ValueError(f"nonlinearity must be one of {', '.join(gains)}, got {nonlinearity!r}")
    return gains[nonlinearity]


def kaiming_uniform(shape, a=0.0, mode="fan_in", nonlinearity="leaky_relu", dtype=np.float32,
                    rng=None):
    """U(-b, b) with b = gain * sqrt(3 / fan), He's initialisation (arXiv:1502.01852).

    Parameters
    ----------
    shape : tuple of int
        (out, in, ...), the shape of a weight.
    a : float
        The slope below zero of the leaky ReLU that follows.
    mode : {"fan_in", "fan_out"}
        Keep the variance in the forward or in the backward pass.
    nonlinearity : str
        What follows; see :func:`gain`.
    dtype : numpy.dtype
        float32 or float64.
    rng : numpy.random.Generator, int or None
        See :func:`generator`.

    Returns
    -------
    numpy.ndarray
    """
    return uniform(shape, math.sqrt(3) * _kaiming_std(shape, a, mode, nonlinearity), dtype, rng)


def kaiming_normal(shape, a=0.0, mode="fan_in", nonlinearity="leaky_relu", dtype=np.float32,
                   rng=None):
    """N(0, std) with std = gain / sqrt(fan); parameters as for :func:`kaiming_uniform`."""
    return normal(shape, _kaiming_std(shape, a, mode, nonlinearity), dtype, rng)


def xavier_uniform(shape, gain=1.0, dtype=np.float32, rng=None):
    """U(-b, b) with b = gain * sqrt(6 / (fan_in + fan_out)): Glorot and Bengio, AISTATS 2010.

    Parameters
    ----------
    shape : tuple of int
        (out, in, ...), the shape of a weight.
    gain : float
        See :func:`gain`.
    dtype : numpy.dtype
        float32 or float64.
    rng : numpy.random.Generator, int or None
        See :func:`generator`.

    Returns
    -------
    numpy.ndarray
    """
    return uniform(shape, gain * math.sqrt(6 / max(1, sum(fans(shape)))), dtype, rng)


def xavier_normal(shape, gain=1.0, dtype=np.float32, rng=None):
    """N(0, std), std = gain * sqrt(2 / (fan_in + fan_out)); as :func:`xavier_uniform`."""
    return normal(shape, gain * math.sqrt(2 / max(1, sum(fans(shape)))), dtype, rng)


def weight_and_bias(shape, bias, dtype=np.float32, rng=None, positions=()):
    """PyTorch's default for Conv2d and Linear: both from U(-1/sqrt(fan_in), 1/sqrt(fan_in)).

    `positions` is the size of the output where the bias has a number for each place in it.

    Returns
    -------
    weight : numpy.ndarray, `shape`
    bias : numpy.ndarray, (shape[0], *positions), or None if not `bias`
    """
    rng = generator(rng)
    bound = 1 / math.sqrt(max(1, fans(shape)[0]))
    weight = uniform(shape, bound, dtype, rng)
    return weight, uniform((*shape[:1], *positions), bound, dtype, rng) if bias else None


def float_dtype(dtype):
    """`dtype` as numpy.float32 or numpy.float64; TypeError for any other."""
    result = np.dtype(dtype)
    if result.kind != "f" or result.itemsize not in (4, 8):
        raise TypeError(f"dtype must be float32 or float64, got {dtype!r}")
    return result


def _kaiming_std(shape, a, mode, nonlinearity):
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode must be 'fan_in' or 'fan_out', got {mode!r}")
    return gain(nonlinearity, a) / math.sqrt(max(1, fans(shape)[mode == "fan_out"]))
