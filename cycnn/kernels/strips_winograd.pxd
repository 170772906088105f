"""strips_winograd.h for Cython, and what both kernels read their images with: rows of tiles in
strips of images, and the lines that rows of x become."""

from .axis cimport Axis
from .buffers cimport CACHE_LINE
from .convolution cimport Convolution
from .strips cimport MOST_LANES, Strips, Window, cut, gather, lay_out
from .tile cimport real

cdef extern from "strips_winograd.h":
    int STRIPS_TILE
    int STRIPS_WINOGRAD_COLUMNS

    ctypedef struct strips_winograd:
        Py_ssize_t side
        Py_ssize_t src_channels
        Py_ssize_t dst_channels
        Py_ssize_t n_blocks
        Py_ssize_t n_terms
        Py_ssize_t columns
        Py_ssize_t dst_row
        Py_ssize_t weight_point
        Py_ssize_t relu

    ctypedef struct strips_lines:
        const void *upper
        const void *lower
        Py_ssize_t line

    void f32_strips_winograd_along(Py_ssize_t n, const float *x, Py_ssize_t channels,
                                   Py_ssize_t tiles, float *line) noexcept nogil
    void f64_strips_winograd_along(Py_ssize_t n, const double *x, Py_ssize_t channels,
                                   Py_ssize_t tiles, double *line) noexcept nogil

cdef enum:
    LINES = 8               # that are kept: those under a row of tiles, in two halves
    MOST_TAPS = 25


cdef inline void tile_axis(Axis *axis, Py_ssize_t src_size, Py_ssize_t dst_size,
                           Py_ssize_t padding, Py_ssize_t side) noexcept nogil:
    """Grid row i is the i-th row of tiles; `padding` zeros stand before the first row of src."""
    axis.src_size, axis.dst_size = src_size, dst_size
    axis.src_step, axis.dst_step = STRIPS_TILE, STRIPS_TILE
    axis.origin, axis.padding, axis.extent = -padding, 0, side - 1
    axis.first, axis.end = 0, (dst_size + STRIPS_TILE - 1) // STRIPS_TILE
    axis.n_phases, axis.phases = 0, NULL


cdef inline Py_ssize_t odd_lines(Py_ssize_t n, Py_ssize_t itemsize) noexcept nogil:
    """At least n numbers, in an odd number of cache lines.

    What is read side by side would else fall into the same few places of the first-level cache.
    """
    cdef Py_ssize_t line = CACHE_LINE // itemsize
    return ((n + line - 1) // line | 1) * line


cdef inline void cut_tiles(Strips *s, const strips_winograd *w, Py_ssize_t n, Py_ssize_t tasks,
                           Py_ssize_t itemsize) noexcept nogil:
    """Cut the strips, with a window of the one row that is to become a line."""
    cut(s, n, tasks, False)
    lay_out(s, w.src_channels, 1, itemsize)
    s.capacity = 1


cdef inline Py_ssize_t line_of(const Strips *s, const strips_winograd *w,
                               Py_ssize_t itemsize) noexcept nogil:
    """Numbers from one line to the next."""
    return odd_lines(s.columns.end * w.side * w.src_channels * s.lanes, itemsize)


cdef inline void advance_lines(const Strips *s, const strips_winograd *w, Window *window,
                               const real *src, const unsigned char *winners, const real *zeros,
                               Py_ssize_t tile_row, real *row, real *spread, real *lines,
                               strips_lines *l) noexcept nogil:
    """The lines under the `tile_row`-th row of tiles of the strips; `row` is open_window's.

    src, winners, zeros and spread are those of strips.gather.
    """
    cdef Py_ssize_t first = tile_row * STRIPS_TILE, lane
    cdef Py_ssize_t left = min(max(0, -s.first_column), s.n_columns)
    cdef Py_ssize_t right = max(left, min(s.n_columns, s.columns.src_size - s.first_column))
    cdef Py_ssize_t rows[MOST_LANES]
    cdef real *line
    window.end = max(window.end, first)
    while window.end < first + w.side:
        for lane in range(s.lanes):
            rows[lane] = window.begin[lane] * STRIPS_TILE + s.rows.origin + window.end
        gather(window, s.lanes, rows, src, winners, zeros, s.rows.src_size, s.columns.src_size,
               s.channels, s.first_column + left, s.first_column + right, spread,
               row + left * s.channels * s.lanes)
        line = lines + window.end % LINES * l.line
        if real is float:
            f32_strips_winograd_along(w.side, row, s.channels, s.columns.end, line)
        else:
            f64_strips_winograd_along(w.side, row, s.channels, s.columns.end, line)
        window.end += 1
    l.upper = lines + first % LINES * l.line
    l.lower = lines + (first + STRIPS_TILE) % LINES * l.line


cdef int forward_pass(const Convolution *c, const real *x, const real *weight, const real *bias,
                      real *y, unsigned char *winners, bint relu, bint pool,
                      int threads) except -1 nogil
cdef int input_gradient_pass(const Convolution *c, const real *dy, const unsigned char *winners,
                             const real *weight, real *dx, const real *positive,
                             int threads) except -1 nogil
