"""Images of another size: each pixel of the result is a sum over a rectangle of pixels.

Adaptive average pooling and nearest-neighbour scaling, forward and backward, are all of this kind:
what differs is which rows and columns a pixel's rectangle has, and what they are multiplied by.
"""

from cython.parallel cimport prange
from libc.string cimport memcpy

from .tile cimport real

# Channels that are summed at a time, in double.
cdef enum:
    CHANNELS = 64

# One direction: position i of the result sums up positions begin[i] <= j < end[i].
cdef struct Axis:
    const long long *begin
    const long long *end
    const double *weight        # of each position of the source, or of the result


def sum_rectangles(const real[:, :, :, ::1] x, real[:, :, :, ::1] y, const long long[:, ::1] rows,
                   const long long[:, ::1] columns, const double[::1] row_weights,
                   const double[::1] column_weights, bint of_source, int threads):
    """y[n, i, j, c] = the sum of x[n, r, s, c] over the rectangle of (i, j), weighted.

    `rows` holds the first and the last row but one of each i, `columns` the same of each j. With
    `of_source` each x[r, s] is multiplied by row_weights[r] * column_weights[s], else each sum by
    row_weights[i] * column_weights[j].
    """
    cdef Axis vertical, horizontal
    cdef Py_ssize_t tasks = y.shape[0] * y.shape[1], i
    cdef Py_ssize_t height = x.shape[1], width = x.shape[2], channels = x.shape[3]
    cdef Py_ssize_t out_height = y.shape[1], out_width = y.shape[2]
    cdef const real *px = &x[0, 0, 0, 0]
    cdef real *py = &y[0, 0, 0, 0]
    vertical.begin, vertical.end, vertical.weight = &rows[0, 0], &rows[1, 0], &row_weights[0]
    horizontal.begin, horizontal.end = &columns[0, 0], &columns[1, 0]
    horizontal.weight = &column_weights[0]
    with nogil:
        if threads == 1:
            for i in range(tasks):
                sum_row(&vertical, &horizontal, px, py, height, width, channels, out_height,
                        out_width, of_source, i)
        else:
            for i in prange(tasks, num_threads=threads, schedule="static"):
                sum_row(&vertical, &horizontal, px, py, height, width, channels, out_height,
                        out_width, of_source, i)


cdef void sum_row(const Axis *rows, const Axis *columns, const real *x, real *y,
                  Py_ssize_t height, Py_ssize_t width, Py_ssize_t channels, Py_ssize_t out_height,
                  Py_ssize_t out_width, bint of_source, Py_ssize_t task) noexcept nogil:
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
