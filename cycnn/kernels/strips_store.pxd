"""Rows of interleaved strips parted into images: how `strips.pyx`, `strips_winograd.pyx` store."""

from .strips cimport MOST_LANES, Strips, Window
from .tile cimport real

cdef extern from "strips.h":
    void f32_strips_part(const float *source, Py_ssize_t count, float *const *to) noexcept nogil
    void f64_strips_part(const double *source, Py_ssize_t count, double *const *to) noexcept nogil
    void f32_strips_pool(const float *upper, const float *lower, Py_ssize_t windows,
                         Py_ssize_t channels, int relu, float *y, float *won) noexcept nogil
    void f64_strips_pool(const double *upper, const double *lower, Py_ssize_t windows,
                         Py_ssize_t channels, int relu, double *y, double *won) noexcept nogil
    void f32_strips_bytes(const float *won, Py_ssize_t n, unsigned char *to) noexcept nogil
    void f64_strips_bytes(const double *won, Py_ssize_t n, unsigned char *to) noexcept nogil


cdef inline void part(const real *source, Py_ssize_t count, real *const *to) noexcept nogil:
    """`count` numbers of each lane to its place."""
    if real is float:
        f32_strips_part(source, count, to)
    else:
        f64_strips_part(source, count, to)


cdef inline size_t maxima_numbers(Py_ssize_t lanes, Py_ssize_t width,
                                  Py_ssize_t channels) noexcept nogil:
    """How many numbers :func:`store_maxima` works in."""
    return 3 * lanes * (width // 2) * channels


cdef inline void store_maxima(const Strips *strips, const Window *w, Py_ssize_t pair,
                              Py_ssize_t channels, bint relu, const real *upper,
                              const real *lower, real *best, real *unused, real *dst,
                              unsigned char *winners) noexcept nogil:
    """The maxima of two rows, the `pair`-th of each strip, and the winners unless that is NULL.

    `best` is memory to work in; `unused` takes the row of lanes that have none.
    """
    cdef Py_ssize_t windows = strips.columns.dst_size // 2, count = windows * channels
    cdef Py_ssize_t height = strips.rows.dst_size // 2, lane, row
    cdef Py_ssize_t at[MOST_LANES]
    cdef real *to[MOST_LANES]
    cdef real *won = best + count * strips.lanes
    cdef real *parted = won + count * strips.lanes
    if real is float:
        f32_strips_pool(upper, lower, windows, channels, relu, best, won)
    else:
        f64_strips_pool(upper, lower, windows, channels, relu, best, won)
    for lane in range(strips.lanes):
        row = w.begin[lane] * strips.rows.dst_step // 2 + pair
        at[lane], to[lane] = -1, unused
        if w.image[lane] >= 0 and row < height:
            at[lane] = (w.image[lane] * height + row) * count
            to[lane] = dst + at[lane]
    part(best, count, to)
    if winners:
        for lane in range(strips.lanes):
            to[lane] = parted + lane * count
        part(won, count, to)
        for lane in range(strips.lanes):
            if at[lane] < 0:
                continue
            if real is float:
                f32_strips_bytes(to[lane], count, winners + at[lane])
            else:
                f64_strips_bytes(to[lane], count, winners + at[lane])
