"""Activation functions, number by number, on arrays of any shape.

An array whose memory has no gaps is worked on as it lies, in whatever order its axes run, and the
result has the same order; any other is copied first.
"""

import numpy as np

from ..kernels import activation as kernels
from ..kernels import cpu
from . import _check
from ._memory import empty

_RELU, _LEAKY_RELU, _TANH, _SIGMOID, _ELU, _GELU, _GELU_TANH, _SILU = (
    int(function) for function in (
        kernels.RELU, kernels.LEAKY_RELU, kernels.TANH, kernels.SIGMOID, kernels.ELU, kernels.GELU,
        kernels.GELU_TANH, kernels.SILU))

# The work of one number, in the units of cpu.threads_for.
_LIGHT, _HEAVY = 8, 32


def relu(x):
    """max(x, 0); NaN stays NaN.

    Parameters
    ----------
    x : array_like
        float32 or float64 (integers and float16 become float32), any shape and strides.

    Returns
    -------
    ndarray
        Of the shape, dtype and memory order of `x`.
    """
    return _forward(_RELU, x, 0.0, _LIGHT)


def relu_backward(dy, y):
    """The gradient of :func:`relu`: dy where y > 0, else 0 (as in PyTorch, also where x is 0).

    Parameters
    ----------
    dy : array_like
        Gradient of the result.
    y : array_like
        The result. The argument x serves as well.

    Returns
    -------
    ndarray
        Gradient of the argument, in the memory order of `y`.
    """
    return _backward(_RELU, dy, y, "y", 0.0)


def leaky_relu(x, negative_slope=0.01):
    """x where x > 0, else negative_slope * x.

    Parameters
    ----------
    x : array_like
        float32 or float64 (integers and float16 become float32), any shape and strides.
    negative_slope : float, optional

    Returns
    -------
    ndarray
        Of the shape, dtype and memory order of `x`.
    """
    return _forward(_LEAKY_RELU, x, _check.number(negative_slope, "negative_slope"), _LIGHT)


def leaky_relu_backward(dy, x, negative_slope=0.01):
    """The gradient of :func:`leaky_relu`: dy where x > 0, else negative_slope * dy.

    Parameters
    ----------
    dy : array_like
        Gradient of the result.
    x : array_like
        The argument.
    negative_slope : float, optional

    Returns
    -------
    ndarray
        Gradient of the argument, in the memory order of `x`.
    """
    return _backward(_LEAKY_RELU, dy, x, "x", _check.number(negative_slope, "negative_slope"))


def tanh(x):
    """(e**x - e**-x) / (e**x + e**-x), within 3 units in the last place.

    Parameters
    ----------
    x : array_like
        float32 or float64 (integers and float16 become float32), any shape and strides.

    Returns
    -------
    ndarray
        Of the shape, dtype and memory order of `x`.
    """
    return _forward(_TANH, x, 0.0, _HEAVY)


def tanh_backward(dy, y):
    """The gradient of :func:`tanh`: dy * (1 - y**2).

    Parameters
    ----------
    dy : array_like
        Gradient of the result.
    y : array_like
        The result.

    Returns
    -------
    ndarray
        Gradient of the argument, in the memory order of `y`.
    """
    return _backward(_TANH, dy, y, "y", 0.0)


def sigmoid(x):
    """1 / (1 + e**-x), within 3 units in the last place.

    Parameters
    ----------
    x : array_like
        float32 or float64 (integers and float16 become float32), any shape and strides.

    Returns
    -------
    ndarray
        Of the shape, dtype and memory order of `x`.
    """
    return _forward(_SIGMOID, x, 0.0, _HEAVY)


def sigmoid_backward(dy, y):
    """The gradient of :func:`sigmoid`: dy * y * (1 - y).

    Parameters
    ----------
    dy : array_like
        Gradient of the result.
    y : array_like
        The result.

    Returns
    -------
    ndarray
        Gradient of the argument, in the memory order of `y`.
    """
    return _backward(_SIGMOID, dy, y, "y", 0.0)


def elu(x, alpha=1.0):
    """x where x > 0, else alpha * (e**x - 1).

    Parameters
    ----------
    x : array_like
        float32 or float64 (integers and float16 become float32), any shape and strides.
    alpha : float, optional

    Returns
    -------
    ndarray
        Of the shape, dtype and memory order of `x`.
    """
    return _forward(_ELU, x, _check.number(alpha, "alpha"), _HEAVY)


def elu_backward(dy, x, alpha=1.0):
    """The gradient of :func:`elu`: dy where x > 0, else dy * alpha * e**x.

    Parameters
    ----------
    dy : array_like
        Gradient of the result.
    x : array_like
        The argument.
    alpha : float, optional

    Returns
    -------
    ndarray
        Gradient of the argument, in the memory order of `x`.
    """
    return _backward(_ELU, dy, x, "x", _check.number(alpha, "alpha"), _HEAVY)


def gelu(x, approximate="none"):
    r"""x times the probability that a standard normal number is below x.

    .. math::
        y = x\, \Phi(x), \qquad \text{or} \qquad
        y = \frac{x}{2} \left(1 + \tanh\left(\sqrt{2 / \pi}\, (x + 0.044715 x^3)\right)\right)

    Parameters
    ----------
    x : array_like
        float32 or float64 (integers and float16 become float32), any shape and strides.
    approximate : {"none", "tanh"}
        Which of the two.

    Returns
    -------
    ndarray
        Of the shape, dtype and memory order of `x`.
    """
    return _forward(_gelu(approximate), x, 0.0, _HEAVY)


def gelu_backward(dy, x, approximate="none"):
    """The gradient of :func:`gelu`.

    Parameters
    ----------
    dy : array_like
        Gradient of the result.
    x : array_like
        The argument.
    approximate : {"none", "tanh"}

    Returns
    -------
    ndarray
        Gradient of the argument, in the memory order of `x`.
    """
    return _backward(_gelu(approximate), dy, x, "x", 0.0, _HEAVY)


def silu(x):
    """x / (1 + e**-x), also called swish.

    Parameters
    ----------
    x : array_like
        float32 or float64 (integers and float16 become float32), any shape and strides.

    Returns
    -------
    ndarray
        Of the shape, dtype and memory order of `x`.
    """
    return _forward(_SILU, x, 0.0, _HEAVY)


def silu_backward(dy, x):
    """The gradient of :func:`silu`: dy * s * (1 + x * (1 - s)) with s = 1 / (1 + e**-x).

    Parameters
    ----------
    dy : array_like
        Gradient of the result.
    x : array_like
        The argument.

    Returns
    -------
    ndarray
        Gradient of the argument, in the memory order of `x`.
    """
    return _backward(_SILU, dy, x, "x", 0.0, _HEAVY)


def check_approximate(approximate):
    """`approximate` if it is one that :func:`gelu` knows."""
    if approximate not in ("none", "tanh"):
        raise ValueError(f"approximate must be 'none' or 'tanh', got {approximate!r}")
    return approximate


def _gelu(approximate):
    return _GELU if check_approximate(approximate) == "none" else _GELU_TANH


def _forward(function, x, slope, work):
    x, memory = dense(_check.floats(x, "x"))
    y, result = empty_like(x, memory)
    if size := x.size:
        kernels.forward(function, memory, result, size, x.itemsize, slope,
                        cpu.threads_for(size * work))
    return y


def _backward(function, dy, x, name, slope, work=_LIGHT):
    x, memory = dense(_check.floats(x, name))
    dy = _check.floats(dy, "dy", dtype=x.dtype)
    if dy.shape != x.shape:
        _check.shape(dy, x.shape, "dy", f"that of {name}")
    dx, result = empty_like(x, memory)
    if size := x.size:
        kernels.backward(function, like(dy, x, memory), memory, result, size, x.itemsize, slope,
                         cpu.threads_for(size * work))
    return dx


def dense(x):
    """`x`, or a copy of it without gaps, and a view of it whose axes run as its memory does."""
    if x.flags.c_contiguous:
        return x, x
    if x.ndim == 4:
        view = x.transpose(0, 2, 3, 1)              # images, channels last
        if view.flags.c_contiguous:
            return x, view
    # Axes from the largest stride to the smallest: the order in which a dense memory runs.
    order = sorted(range(x.ndim), key=lambda axis: -x.strides[axis])
    view = x.transpose(order)
    if view.flags.c_contiguous:
        return x, view
    x = np.ascontiguousarray(x)
    return x, x


def empty_like(x, memory):
    """An array for results in the memory order of `x`, and its memory, as from :func:`dense`."""
    result = empty(memory.shape, x.dtype)
    if memory is x:
        return result, result
    return np.ndarray(x.shape, x.dtype, result, 0, x.strides), result


def like(x, other, memory):
    """The memory of `x`, or of a copy, in the order of `other`: one that :func:`dense` gave."""
    if x.strides == other.strides:
        return dense(x)[1]
    copy, result = empty_like(other, memory)
    copy[...] = x
    return result
