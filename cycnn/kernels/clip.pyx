"""Norms of gradients, and the gradients scaled or cut to a size."""

from cython.parallel cimport prange
from libc.math cimport INFINITY, fabs, pow

from .buffers cimport address
from .fastmath cimport real
from .sums cimport PRODUCT, VALUE, total

# Elements of one parallel task, and of one part of a sum: fixed, so that the order of the
# additions does not depend on the number of threads.
cpdef enum:
    CHUNK = 16384

# The arrays hold n numbers without gaps, floats of `size` bytes.


def power_sum(x, parts, Py_ssize_t n, double power, int size, int threads):
    """The sum of abs(x)**power, for infinity the largest abs(x); NaN if one is.

    `parts` has a double for each CHUNK of x.
    """
    cdef const char *px = address(x)
    cdef double *part = <double *>address(parts)
    cdef Py_ssize_t chunks = (n + CHUNK - 1) // CHUNK, i
    cdef double result
    with nogil:
        if threads == 1:
            for i in range(chunks):
                part[i] = chunk_sum(px, n, i, power, size)
        else:
            for i in prange(chunks, num_threads=threads, schedule="static"):
                part[i] = chunk_sum(px, n, i, power, size)
        result = largest(part, chunks) if power == INFINITY else total(VALUE, part, part, chunks)
    return result


def scale(x, Py_ssize_t n, double factor, int size, int threads):
    """x = factor * x."""
    each(x, n, factor, True, size, threads)


def clamp(x, Py_ssize_t n, double limit, int size, int threads):
    """x = x cut to within [-limit, limit]; NaN stays."""
    each(x, n, limit, False, size, threads)


cdef each(x, Py_ssize_t n, double number, bint scaling, int size, int threads):
    cdef char *px = address(x)
    cdef Py_ssize_t chunks = (n + CHUNK - 1) // CHUNK, i
    with nogil:
        if threads == 1:
            for i in range(chunks):
                change_chunk(px, n, i, number, scaling, size)
        else:
            for i in prange(chunks, num_threads=threads, schedule="static"):
                change_chunk(px, n, i, number, scaling, size)


# --- one task ------------------------------------------------------------------------------------

cdef double chunk_sum(const char *x, Py_ssize_t n, Py_ssize_t chunk, double power,
                      int size) noexcept nogil:
    cdef Py_ssize_t start = chunk * CHUNK
    n = min(<Py_ssize_t>CHUNK, n - start)
    if size == sizeof(float):
        return powers(<const float *>x + start, n, power)
    return powers(<const double *>x + start, n, power)


cdef inline double powers(const real *x, Py_ssize_t n, double power) noexcept nogil:
    cdef double result = 0
    cdef Py_ssize_t i
    if power == 2:
        return total(PRODUCT, x, x, n)
    if power == INFINITY:
        return largest(x, n)
    for i in range(n):
        result += pow(fabs(x[i]), power)
    return result


cdef inline double largest(const real *x, Py_ssize_t n) noexcept nogil:
    """The largest absolute value; NaN where there is one."""
    cdef real top = 0, size
    cdef Py_ssize_t i
    for i in range(n):
        size = -x[i] if x[i] < <real>0 else x[i]
        # Nothing is above NaN, nor is NaN at or below anything.
        top = top if size <= top or top != top else size
    return top


cdef void change_chunk(char *x, Py_ssize_t n, Py_ssize_t chunk, double number, bint scaling,
                       int size) noexcept nogil:
    cdef Py_ssize_t start = chunk * CHUNK
    n = min(<Py_ssize_t>CHUNK, n - start)
    if size == sizeof(float):
        change(<float *>x + start, n, <float>number, scaling)
    else:
        change(<double *>x + start, n, number, scaling)


cdef inline void change(real *x, Py_ssize_t n, real number, bint scaling) noexcept nogil:
    cdef Py_ssize_t i
    if scaling:
        for i in range(n):
            x[i] = x[i] * number
    else:
        for i in range(n):
            x[i] = number if x[i] > number else -number if x[i] < -number else x[i]
