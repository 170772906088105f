"""winograd.h for Cython, and what both Winograd kernels read their images with."""

from libc.string cimport memcpy

from .convolution cimport Convolution
from .tile cimport real

cdef extern from "winograd.h":
    int WINOGRAD_TILE
    int WINDOWS

    ctypedef struct winograd_end:
        Py_ssize_t row
        Py_ssize_t pixel
        int relu
        int pool

    ctypedef struct winograd_patch:
        const void **rows
        Py_ssize_t pixel
        Py_ssize_t below
        int begin
        int end
        int pooled
        int up
        int left
        const void **gradients
        const unsigned char **winners


cdef extern from "winners.h":
    int NO_WINNER


cdef inline Py_ssize_t whole_vectors(Py_ssize_t channels, Py_ssize_t lanes) noexcept nogil:
    return (channels + lanes - 1) // lanes * lanes


cdef inline Py_ssize_t tile_stride(const real *kind, Py_ssize_t n) noexcept nogil:
    """Numbers from one tile's n values to the next one's: an odd number of cache lines.

    The register tile reads the same place of many tiles; a power of two apart, they would all fall
    into the same few places of the first-level cache.
    """
    cdef Py_ssize_t line = 16 if real is float else 8
    return ((n + line - 1) // line | 1) * line


# Images to be cut into patches. With winners they lie behind a 2 x 2 max-pool: their height and
# width are those before it, and the channels are whole vectors.
cdef struct Images:
    const void *pixels
    const unsigned char *winners
    const char *nothing             # zeros for a row beyond the image; the winners of nothing
    Py_ssize_t count                # of images
    Py_ssize_t height
    Py_ssize_t width
    Py_ssize_t channels


cdef inline Images images_of(const void *pixels, const unsigned char *winners,
                             Py_ssize_t count, Py_ssize_t height, Py_ssize_t width,
                             Py_ssize_t channels) noexcept nogil:
    cdef Images images
    images.pixels, images.winners, images.nothing = pixels, winners, NULL
    images.count, images.height, images.width, images.channels = count, height, width, channels
    return images


cdef inline size_t nothing_size(const real *kind, Py_ssize_t side, Py_ssize_t channels,
                                Py_ssize_t padded) noexcept nogil:
    """Bytes of `nothing` under patches of side x side pixels."""
    return ((side - 1) * channels + padded) * sizeof(real)


cdef inline void patch_of(const Images *images, Py_ssize_t index, Py_ssize_t row,
                          Py_ssize_t column, Py_ssize_t side, Py_ssize_t first, Py_ssize_t count,
                          Py_ssize_t padded, real *buffer, winograd_patch *patch) noexcept nogil:
    """side x side pixels of an image from (row, column) on, `count` channels from `first` on.

    They are read in whole vectors: what lies behind the last channel is part of them, and no sum of
    a channel that counts. Where that is beyond the last image, the patch is a copy in `buffer`.
    """
    cdef Py_ssize_t i, height = images.height, width = images.width, channels = images.channels
    cdef Py_ssize_t begin, end, last
    cdef const real *image
    patch.pooled = images.winners != NULL
    if patch.pooled:
        find_windows(images, <const real *>images.pixels, index, row, column, side, first, patch)
        return
    begin = min(max(<Py_ssize_t>0, -column), side)
    end = max(begin, min(side, width - column))
    patch.begin, patch.end = <int>begin, <int>end
    patch.pixel, patch.below = channels, WINOGRAD_TILE * width * channels
    image = <const real *>images.pixels + first
    image += ((index * height + row) * width + column) * channels
    for i in range(side):
        patch.rows[i] = image + i * width * channels
        if not 0 <= row + i < height:
            patch.rows[i] = images.nothing
    last = (index * height + min(row + side, height) - 1) * width + column + end - 1
    if last * channels + first + padded > images.count * height * width * channels:
        copy_patch(patch, side, count, padded, buffer)


cdef inline void copy_patch(winograd_patch *patch, Py_ssize_t side, Py_ssize_t count,
                            Py_ssize_t padded, real *buffer) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef const real *row
    for i in range(side):
        row = <const real *>patch.rows[i]
        patch.rows[i] = buffer
        for j in range(patch.begin, patch.end):
            memcpy(buffer + j * padded, row + j * patch.pixel, count * sizeof(real))
        buffer += side * padded
    patch.pixel = padded


cdef inline void find_windows(const Images *images, const real *pixels, Py_ssize_t index,
                              Py_ssize_t row, Py_ssize_t column, Py_ssize_t side,
                              Py_ssize_t first, winograd_patch *patch) noexcept nogil:
    """The windows under a patch of images behind a pool, whose gradients are `pixels`."""
    cdef Py_ssize_t height = images.height // 2, width = images.width // 2, i, j, at
    patch.up, patch.left = <int>(row & 1), <int>(column & 1)
    row, column = (row - patch.up) // 2, (column - patch.left) // 2
    for i in range((side + patch.up + 1) // 2):
        for j in range((side + patch.left + 1) // 2):
            at = ((index * height + row + i) * width + column + j) * images.channels + first
            if 0 <= row + i < height and 0 <= column + j < width:
                patch.gradients[i * WINDOWS + j] = pixels + at
                patch.winners[i * WINDOWS + j] = images.winners + at
            else:
                patch.gradients[i * WINDOWS + j] = pixels
                patch.winners[i * WINDOWS + j] = <const unsigned char *>images.nothing


# Not inline: it is a sixth of all machine code there is, and is there once.
cdef void winograd_input(int n, const winograd_patch *d, real *v, Py_ssize_t point,
                         Py_ssize_t vectors) noexcept nogil
cdef int forward_pass(const Convolution *c, const real *x, const real *weight, const real *bias,
                      real *y, unsigned char *winners, bint relu, bint pool,
                      int threads) except -1 nogil
cdef int input_gradient_pass(const Convolution *c, const real *dy, const unsigned char *winners,
                             const real *weight, real *dx, const real *positive,
                             int threads) except -1 nogil
