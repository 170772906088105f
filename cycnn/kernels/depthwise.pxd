"""Depthwise convolution: what conv.pyx and conv_weight.pyx hand over to depthwise.pyx."""

from .axis cimport Axis
from .tile cimport real


cdef inline bint is_depthwise(Py_ssize_t groups, Py_ssize_t in_channels,
                              Py_ssize_t out_channels) noexcept nogil:
    return groups > 1 and groups == in_channels and groups == out_channels


cdef int depthwise_sweep(const Axis *row_axis, const Axis *column_axis, const real *src, real *dst,
                         const real *weight, const real *bias, const real *positive, Py_ssize_t n,
                         Py_ssize_t channels, Py_ssize_t kernel_height, Py_ssize_t kernel_width,
                         bint relu, int threads) except -1 nogil
cdef int depthwise_weight_gradient(const Axis *row_axis, const Axis *column_axis, const real *x,
                                   const real *dy, real *dweight, real *dbias, Py_ssize_t n,
                                   Py_ssize_t channels, int threads) except -1 nogil
