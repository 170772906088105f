"""Sums of arrays, each in one pass over memory.

Of two, with the ReLU behind it or the backward pass of the one before; of all images of a batch.
"""

from cython.parallel cimport prange

from .buffers cimport address
from .relu cimport mask_with
from .tile cimport real

# Elements of one parallel task: fixed, so that no rounding depends on the number of threads.
cdef enum:
    CHUNK = 8192
    PIECE = 1024        # of a sum of images
    STRETCH = 32        # images that are added up in their own type: more would lose digits

# One thread runs the loops below without OpenMP: to open a parallel region of one thread costs as
# much as a small array.


def add(a, b, y, positive, Py_ssize_t n, Py_ssize_t period, int itemsize, bint relu, int threads):
    """y = a + b; then 0 where that is below 0, if `relu`, and where `positive` is not above 0.

    All hold n numbers without gaps, of float or of double as `itemsize` says, but b, which holds
    `period` and begins anew behind them; `positive` may be None. y may be a.
    """
    cdef const char *pa = address(a)
    cdef const char *pb = address(b)
    cdef char *py = address(y)
    cdef const char *pp = NULL if positive is None else address(positive)
    cdef Py_ssize_t chunks = (n + CHUNK - 1) // CHUNK, i
    with nogil:
        if threads == 1:
            for i in range(chunks):
                add_chunk(pa, pb, py, pp, n, period, itemsize, relu, i)
        else:
            for i in prange(chunks, num_threads=threads, schedule="static"):
                add_chunk(pa, pb, py, pp, n, period, itemsize, relu, i)


def sum_images(x, sums, Py_ssize_t images, Py_ssize_t size, int itemsize, int threads):
    """sums[i] = the sum over the images of x[image, i]: `size` numbers from `images` times as many.

    Both without gaps, of float or of double as `itemsize` says; there is at least one image.
    """
    cdef const char *px = address(x)
    cdef char *to = address(sums)
    cdef Py_ssize_t pieces = (size + PIECE - 1) // PIECE, i
    with nogil:
        if threads == 1:
            for i in range(pieces):
                sum_piece(px, to, images, size, itemsize, i)
        else:
            for i in prange(pieces, num_threads=threads, schedule="static"):
                sum_piece(px, to, images, size, itemsize, i)


cdef void add_chunk(const char *a, const char *b, char *y, const char *positive, Py_ssize_t n,
                    Py_ssize_t period, int itemsize, bint relu, Py_ssize_t chunk) noexcept nogil:
    cdef Py_ssize_t at = chunk * CHUNK, end = min(at + CHUNK, n), first, count
    while at < end:
        first = at % period
        count = min(end - at, period - first)
        if itemsize == sizeof(float):
            add_range(<const float *>a + at, <const float *>b + first, <float *>y + at,
                      <const float *>positive + at if positive else NULL, count, relu)
        else:
            add_range(<const double *>a + at, <const double *>b + first, <double *>y + at,
                      <const double *>positive + at if positive else NULL, count, relu)
        at += count


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


cdef void sum_piece(const char *x, char *sums, Py_ssize_t images, Py_ssize_t size, int itemsize,
                    Py_ssize_t piece) noexcept nogil:
    cdef Py_ssize_t start = piece * PIECE, n = min(<Py_ssize_t>PIECE, size - start)
    if itemsize == sizeof(float):
        sum_range(<const float *>x + start, <float *>sums + start, images, size, n)
    else:
        sum_range(<const double *>x + start, <double *>sums + start, images, size, n)


cdef inline void sum_range(const real *x, real *sums, Py_ssize_t images, Py_ssize_t size,
                           Py_ssize_t n) noexcept nogil:
    """The sums of n numbers, at most PIECE, of each image; images begin `size` apart."""
    cdef double total[PIECE]
    cdef Py_ssize_t stretch, first, image, i
    for stretch in range((images + STRETCH - 1) // STRETCH):
        first = stretch * STRETCH
        for i in range(n):
            sums[i] = x[first * size + i]
        for image in range(first + 1, min(first + STRETCH, images)):
            add_to(sums, x + image * size, n)
        if images > STRETCH:
            for i in range(n):
                total[i] = sums[i] + (total[i] if stretch else <double>0)
    if images > STRETCH:
        for i in range(n):
            sums[i] = <real>total[i]


cdef inline void add_to(real *to, const real *x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        to[i] += x[i]
