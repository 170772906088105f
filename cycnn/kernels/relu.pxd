"""The backward pass of a ReLU for numbers just computed that are still in the cache."""

from .tile cimport real


cdef inline void mask_with(real *dx, const real *y, Py_ssize_t n) noexcept nogil:
    """dx = 0 where the ReLU's result y is not above 0; where that is NaN, dx stays."""
    cdef Py_ssize_t i
    cdef real gradient          # read in any case, as vectors before AVX2 must
    for i in range(n):
        gradient = dx[i]
        dx[i] = <real>0 if y[i] <= <real>0 else gradient
