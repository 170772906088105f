"""Gradients cut to a size before the step."""

import math

import numpy as np

from ..functional import _check
from ..functional.clip import clamp, scale, total_norm
from ..layers import Parameter
from .optimizer import listed, only_parameters

# PyTorch's, against a norm of 0.
_TINY = 1e-6


def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False):
    r"""Scale all gradients together, so that their norm is at most `max_norm`.

    .. math::
        g = g \min(1, \frac{c}{\lVert g \rVert_p + 10^{-6}})

    where the norm is that of all gradients as one vector.

    Parameters
    ----------
    parameters : Parameter, or iterable of them
        Those without a gradient do not matter.
    max_norm : float
        c, at least 0. Infinity only measures, unless the norm is infinite or NaN: all gradients
        are NaN then, as in PyTorch.
    norm_type : float
        p, above 0; infinity (also ``"inf"``) for the largest absolute value.
    error_if_nonfinite : bool
        Whether a norm that is infinite or NaN is an error. Otherwise such gradients become 0 or
        NaN, as in PyTorch.

    Returns
    -------
    float
        The norm before. Summed in double, the same bits for every number of threads.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above.
    RuntimeError
        If the norm is not finite and `error_if_nonfinite`; no gradient has been changed.
    """
    max_norm = _size(max_norm, "max_norm")
    norm_type = _size(norm_type, "norm_type")
    error_if_nonfinite = _check.flag(error_if_nonfinite, "error_if_nonfinite")
    if norm_type == 0:
        raise ValueError("norm_type must be above 0, got 0")
    grads = _gradients(parameters)
    norm = total_norm(grads, norm_type)
    if error_if_nonfinite and not math.isfinite(norm):
        raise RuntimeError(f"the norm of the gradients is {norm}, so they cannot be clipped")
    factor = max_norm / (norm + _TINY)
    if not factor >= 1:                         # NaN is not
        for grad in grads:
            scale(grad, factor)
    return norm


def clip_grad_value_(parameters, clip_value):
    """Cut every number of the gradients to within [-clip_value, clip_value]; NaN stays.

    Parameters
    ----------
    parameters : Parameter, or iterable of them
        Those without a gradient do not matter.
    clip_value : float
        At least 0.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above.
    """
    clip_value = _size(clip_value, "clip_value")
    for grad in _gradients(parameters):
        clamp(grad, clip_value)


def _size(value, name):
    """`value` as a float of at least 0, or infinity."""
    if isinstance(value, str) and value == "inf" or value == math.inf:
        return math.inf
    return _check.number(value, name, 0)


def _gradients(parameters):
    """The gradients there are, each an array that can be changed in place: if not, a copy is."""
    parameters = [parameters] if isinstance(parameters, Parameter) else listed(parameters)
    grads = []
    for parameter in only_parameters(parameters):
        if parameter.grad is None:
            continue
        grad = _check.floats(parameter.grad, "grad", dtype=parameter.data.dtype)
        if grad is not parameter.grad or not (grad.flags.c_contiguous and grad.flags.writeable):
            grad = parameter.grad = np.array(grad, order="C")
        grads.append(grad)
    return grads
