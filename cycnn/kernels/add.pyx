"""The sum of two arrays, with the ReLU behind it or the backward pass of the one before: one pass."""

from cython.parallel cimport prange

from .buffers cimport address
from .relu cimport mask_with
from .tile cimport real

# Elements of one parallel task: fixed, so that no rounding depends on the number of threads.
cdef enum:
    CHUNK = 8192


def add(a, b, y, positive, Py_ssize_t n, int itemsize, bint relu, int threads):
    """y = a + b; then 0 where that is below 0, if `relu`, and where `positive` is not above 0.

    All hold n numbers without gaps, of float or of double as `itemsize` says; `positive` may be
    None.
    """
    cdef const char *pa = address(a)
    cdef const char *pb = address(b)
    cdef char *py = address(y)
    cdef const char *pp = NULL if positive is None else address(positive)
    cdef Py_ssize_t chunks = (n + CHUNK - 1) // CHUNK, i
    with nogil:
        if threads == 1:
            for i in range(chunks):
                add_chunk(pa, pb, py, pp, n, itemsize, relu, i)
        else:
            for i in prange(chunks, num_threads=threads, schedule="static"):
                add_chunk(pa, pb, py, pp, n, itemsize, relu, i)


cdef void add_chunk(const char *a, const char *b, char *y, const char *positive, Py_ssize_t n,
                    int itemsize, bint relu, Py_ssize_t chunk) noexcept nogil:
    cdef Py_ssize_t start = chunk * CHUNK * itemsize
    n = min(<Py_ssize_t>CHUNK, n - chunk * CHUNK)
    a, b, y = a + start, b + start, y + start
    if positive:
        positive += start
    if itemsize == sizeof(float):
        add_range(<const float *>a, <const float *>b, <float *>y, <const float *>positive, n, relu)
    else:
        add_range(<const double *>a, <const double *>b, <double *>y, <const double *>positive, n,
                  relu)


cdef inline void add_range(const real *a, const real *b, real *y, const real *positive,
                           Py_ssize_t n, bint relu) noexcept nogil:
    cdef Py_ssize_t i
    cdef real sum
    if relu:
        for i in range(n):
            sum = a[i] + b[i]
            y[i] = <real>0 if sum <= <real>0 else sum
    elif positive:
        for i in range(n):
            y[i] = <real>0 if positive[i] <= <real>0 else a[i] + b[i]
    else:
        for i in range(n):
            y[i] = a[i] + b[i]
    if relu and positive:
        mask_with(y, positive, n)
