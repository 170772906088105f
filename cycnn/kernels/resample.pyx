"""Images of another size: each pixel of the result is a sum over a rectangle of pixels.

Adaptive average pooling and nearest-neighbour scaling, forward and backward, are all of this kind:
what differs is which rows and columns a pixel's rectangle has, and what they are multiplied by.
"""

from cython.parallel cimport prange
from libc.string cimport memcpy

from .buffers cimport address, address_of_4d
from .tile cimport real

# Channels that are summed at a time, in double.
cdef enum:
    CHANNELS = 64

# One direction: position i of the result sums up positions begin[i] <= j < end[i].
cdef struct Axis:
    const long long *begin
    const long long *end
    const double *weight        # of each position of the source, or of the result


# One thread runs the loop below without OpenMP: to open a parallel region of one thread costs as
# much as a small array.


def sum_rectangles(x, y, rows, columns, row_weights, column_weights, bint of_source, int size,
                   int threads):
    """y[n, i, j, c] = the sum of x[n, r, s, c] over the rectangle of (i, j), weighted.

    `rows` holds the first row of each i and then the last but one of each, `columns` the same of
    each j, in int64. With `of_source` each x[r, s] is multiplied by row_weights[r] *
    column_weights[s], else each sum by row_weights[i] * column_weights[j], in double. x and y are
    in C order, floats of `size` bytes.
    """
    cdef Axis vertical, horizontal
    cdef Py_ssize_t shape[4]
    cdef Py_ssize_t out[4]
    cdef const char *px = address_of_4d(x, shape)
    cdef char *py = address_of_4d(y, out)
    cdef Py_ssize_t i
    vertical.begin = <const long long *>address(rows)
    vertical.end = vertical.begin + out[1]
    vertical.weight = <const double *>address(row_weights)
    horizontal.begin = <const long long *>address(columns)
    horizontal.end = horizontal.begin + out[2]
    horizontal.weight = <const double *>address(column_weights)
    with nogil:
        if threads == 1:
            for i in range(out[0] * out[1]):
                sum_task(&vertical, &horizontal, px, py, shape, out, of_source, i, size)
        else:
            for i in prange(out[0] * out[1], num_threads=threads, schedule="static"):
                sum_task(&vertical, &horizontal, px, py, shape, out, of_source, i, size)


cdef void sum_task(const Axis *rows, const Axis *columns, const char *x, char *y,
                   const Py_ssize_t *shape, const Py_ssize_t *out, bint of_source,
                   Py_ssize_t task, int size) noexcept nogil:
    if size == sizeof(float):
        sum_row(rows, columns, <const float *>x, <float *>y, shape[1], shape[2], shape[3], out[1],
                out[2], of_source, task)
    else:
        sum_row(rows, columns, <const double *>x, <double *>y, shape[1], shape[2], shape[3],
                out[1], out[2], of_source, task)


cdef inline void sum_row(const Axis *rows, const Axis *columns, const real *x, real *y,
                         Py_ssize_t height, Py_ssize_t width, Py_ssize_t channels,
                         Py_ssize_t out_height, Py_ssize_t out_width, bint of_source,
                         Py_ssize_t task) noexcept nogil:
    """One row of one image of y."""
    cdef Py_ssize_t i = task % out_height, j, block, first
    x += task // out_height * height * width * channels
    y += task * out_width * channels
    for j in range(out_width):
        if (rows.end[i] - rows.begin[i] == 1 and columns.end[j] - columns.begin[j] == 1
                and weight_of(rows, columns, i, j, of_source) == 1):
            memcpy(y, x + (rows.begin[i] * width + columns.begin[j]) * channels,
                   channels * sizeof(real))
        else:
            for block in range((channels + CHANNELS - 1) // CHANNELS):
                first = block * CHANNELS
                sum_pixel(rows, columns, x + first, y + first, width, channels,
                          min(<Py_ssize_t>CHANNELS, channels - first), of_source, i, j)
        y += channels


cdef inline double weight_of(const Axis *rows, const Axis *columns, Py_ssize_t i, Py_ssize_t j,
                             bint of_source) noexcept nogil:
    """What the pixel (i, j) of y is multiplied by, if its rectangle is one pixel."""
    if of_source:
        return rows.weight[rows.begin[i]] * columns.weight[columns.begin[j]]
    return rows.weight[i] * columns.weight[j]


cdef inline void sum_pixel(const Axis *rows, const Axis *columns, const real *x, real *y,
                           Py_ssize_t width, Py_ssize_t channels, Py_ssize_t count,
                           bint of_source, Py_ssize_t i, Py_ssize_t j) noexcept nogil:
    """`count` channels of one pixel of y."""
    cdef double total[CHANNELS]
    cdef double weight
    cdef const real *pixel
    cdef Py_ssize_t r, s, c
    for c in range(count):
        total[c] = 0
    for r in range(rows.begin[i], rows.end[i]):
        pixel = x + (r * width + columns.begin[j]) * channels
        for s in range(columns.begin[j], columns.end[j]):
            if of_source:
                weight = rows.weight[r] * columns.weight[s]
                for c in range(count):
                    total[c] += pixel[c] * weight
            else:
                for c in range(count):
                    total[c] += pixel[c]
            pixel += channels
    weight = 1 if of_source else rows.weight[i] * columns.weight[j]
    for c in range(count):
        y[c] = <real>(total[c] * weight)
