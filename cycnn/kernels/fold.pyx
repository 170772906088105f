"""Batch normalisation put into the weight and bias of the convolution before it, for inference."""

from libc.math cimport sqrt

from .buffers cimport address
from .tile cimport real


def fold(weight, bias, mean, var, norm_weight, norm_bias, double eps, new_weight, new_bias,
         Py_ssize_t outputs, Py_ssize_t terms, Py_ssize_t positions, int itemsize):
    """A convolution's weight (outputs, terms) and bias, with the normalisation behind it in them.

    mean, var, norm_weight and norm_bias have a number for each output, both biases `positions`;
    bias and the last two may be None.
    """
    cdef const char *w = address(weight)
    cdef const char *b = NULL if bias is None else address(bias)
    cdef const char *m = address(mean)
    cdef const char *v = address(var)
    cdef const char *nw = NULL if norm_weight is None else address(norm_weight)
    cdef const char *nb = NULL if norm_bias is None else address(norm_bias)
    cdef char *tw = address(new_weight)
    cdef char *tb = address(new_bias)
    with nogil:
        if itemsize == sizeof(float):
            fold_into(<const float *>w, <const float *>b, <const float *>m, <const float *>v,
                      <const float *>nw, <const float *>nb, eps, <float *>tw, <float *>tb,
                      outputs, terms, positions)
        else:
            fold_into(<const double *>w, <const double *>b, <const double *>m, <const double *>v,
                      <const double *>nw, <const double *>nb, eps, <double *>tw, <double *>tb,
                      outputs, terms, positions)


cdef void fold_into(const real *weight, const real *bias, const real *mean, const real *var,
                    const real *norm_weight, const real *norm_bias, double eps, real *new_weight,
                    real *new_bias, Py_ssize_t outputs, Py_ssize_t terms,
                    Py_ssize_t positions) noexcept nogil:
    cdef Py_ssize_t k, j
    cdef double scale
    for k in range(outputs):
        scale = (norm_weight[k] if norm_weight else <real>1) / sqrt(var[k] + eps)
        for j in range(k * positions, (k + 1) * positions):
            new_bias[j] = <real>(((bias[j] if bias else <real>0) - <double>mean[k]) * scale
                                 + (norm_bias[k] if norm_bias else <real>0))
        for j in range(terms):
            new_weight[k * terms + j] = weight[k * terms + j] * <real>scale
