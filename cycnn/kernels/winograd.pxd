"""winograd.h for Cython, and what both Winograd kernels read their images with."""

from libc.string cimport memcpy, memset

from .tile cimport F32_LANES

cdef extern from "winograd.h":
    int WINOGRAD_TILE

    ctypedef struct winograd_end:
        Py_ssize_t row
        Py_ssize_t pixel
        int relu
        int pool

    void winograd_input(int n, const float *d, Py_ssize_t row, Py_ssize_t pixel, float *v,
                        Py_ssize_t point, Py_ssize_t vectors) noexcept nogil
    void winograd_output(int n, const float *t, Py_ssize_t point, const float *bias, float *y,
                         unsigned char *winner, const float *positive, const winograd_end *end,
                         int rows, int columns, int channels) noexcept nogil
    void winograd_gradient(int n, const float *dy, Py_ssize_t row, Py_ssize_t pixel, float *t,
                           Py_ssize_t point, float *sum) noexcept nogil
    void winograd_weight(int n, const float *g, Py_ssize_t tap, float *u,
                         Py_ssize_t point) noexcept nogil
    void winograd_weight_gradient(int n, const float *t, Py_ssize_t point, float *dg,
                                  Py_ssize_t tap) noexcept nogil


cdef inline Py_ssize_t whole_vectors(Py_ssize_t channels) noexcept nogil:
    return (channels + F32_LANES - 1) // F32_LANES * F32_LANES


cdef inline Py_ssize_t tile_stride(Py_ssize_t n) noexcept nogil:
    """Numbers from one tile's n values to the next one's: an odd number of cache lines.

    The register tile reads the same place of many tiles; a power of two apart, they would all fall
    into the same few places of the first-level cache.
    """
    cdef Py_ssize_t line = 16
    return ((n + line - 1) // line | 1) * line


cdef inline const float *patch_of(const float *image, Py_ssize_t height, Py_ssize_t width,
                                  Py_ssize_t channels, Py_ssize_t row, Py_ssize_t column,
                                  Py_ssize_t side, Py_ssize_t count, Py_ssize_t padded,
                                  float *patch, Py_ssize_t *line,
                                  Py_ssize_t *pixel) noexcept nogil:
    """side x side pixels of an image from (row, column) on, `count` channels in whole vectors.

    The image itself where it holds all of that, else `patch`, filled up with zeros. *line and
    *pixel are how far its rows and pixels are apart.
    """
    cdef Py_ssize_t i, j, left, right
    cdef float *to
    image += (row * width + column) * channels
    if (row >= 0 and column >= 0 and row + side <= height and column + side <= width
            and count == padded):
        line[0], pixel[0] = width * channels, channels
        return image
    line[0], pixel[0] = side * padded, padded
    left = min(max(<Py_ssize_t>0, -column), side)
    right = max(left, min(side, width - column))
    for i in range(side):
        to = patch + i * side * padded
        if row + i < 0 or row + i >= height or (padded > count and left < right):
            memset(to, 0, side * padded * sizeof(float))
        else:
            memset(to, 0, left * padded * sizeof(float))
            memset(to + right * padded, 0, (side - right) * padded * sizeof(float))
        if row + i < 0 or row + i >= height:
            continue
        if padded == channels:
            memcpy(to + left * padded, image + (i * width + left) * channels,
                   (right - left) * channels * sizeof(float))
        else:
            for j in range(left, right):
                memcpy(to + j * padded, image + (i * width + j) * channels, count * sizeof(float))
    return patch
