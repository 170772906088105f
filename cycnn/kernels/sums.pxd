"""Long sums, added up in double in an order that depends on their length alone."""

from .fastmath cimport real

# So many sums run side by side, which vector units need.
cdef enum:
    LANES = 8

cdef enum Term:
    VALUE           # x
    PRODUCT         # x * y


cdef inline double term(Term kind, double x, double y) noexcept nogil:
    return x if kind == VALUE else x * y


cdef inline double total(Term kind, const real *x, const real *y, Py_ssize_t n) noexcept nogil:
    """The sum of the terms."""
    cdef double lane[LANES]
    cdef double result = 0
    cdef Py_ssize_t i, j, whole = n - n % LANES
    for j in range(LANES):
        lane[j] = 0
    for i in range(n // LANES):
        for j in range(LANES):
            lane[j] += term(kind, x[i * LANES + j], y[i * LANES + j])
    for i in range(whole, n):
        lane[i - whole] += term(kind, x[i], y[i])
    for j in range(LANES):
        result += lane[j]
    return result
