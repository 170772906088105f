"""The norm of gradients, and gradients made smaller, in place."""

import math

import numpy as np

from ..kernels import clip as kernels
from ..kernels.cpu import threads_for
from .update import in_place


def total_norm(arrays, norm_type=2.0):
    """The norm of all numbers of `arrays` as of one vector.

    Parameters
    ----------
    arrays : iterable of ndarray
        float32 or float64, C order.
    norm_type : float
        p of the norm, above 0; infinity for the largest absolute value.

    Returns
    -------
    float
        0 for no arrays. NaN if there is one. Summed in double, in an order that depends on the
        shapes alone.
    """
    sums = []
    for array in arrays:
        vector = in_place(array, "grad")
        parts = np.empty(max(-(-vector.size // kernels.CHUNK), 1))
        sums.append(kernels.power_sum(vector, parts, vector.size, norm_type, vector.itemsize,
                                      threads_for(vector.size * 8)))
    if norm_type == math.inf:
        return max(sums, key=lambda size: (math.isnan(size), size), default=0.0)
    return sum(sums) ** (1 / norm_type)


def scale(array, factor):
    """array *= factor, for an array in C order."""
    vector = in_place(array, "grad")
    kernels.scale(vector, vector.size, factor, vector.itemsize, threads_for(vector.size * 8))


def clamp(array, limit):
    """Cut the numbers of an array in C order to within [-limit, limit]; NaN stays."""
    vector = in_place(array, "grad")
    kernels.clamp(vector, vector.size, limit, vector.itemsize, threads_for(vector.size * 8))
