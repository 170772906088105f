"""The pass of `strips_weight.pyx`; `convolution.pxd` says what all of them share."""

from .convolution cimport Convolution
from .tile cimport real


cdef int weight_gradient_pass(const Convolution *c, const real *x, const real *dy,
                              const unsigned char *winners, real *dweight, real *dbias,
                              int threads) except -1 nogil
