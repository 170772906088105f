"""winograd.h for Cython, and what both Winograd kernels read their images with."""

from libc.string cimport memcpy, memset

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
        const void *pixels
        Py_ssize_t row
        Py_ssize_t pixel
        int pooled
        int up
        int left
        const void **gradients
        const unsigned char **winners

    void f32_winograd_input(int n, const winograd_patch *d, float *v, Py_ssize_t point,
                            Py_ssize_t vectors) noexcept nogil
    void f64_winograd_input(int n, const winograd_patch *d, double *v, Py_ssize_t point,
                            Py_ssize_t vectors) noexcept nogil


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
    const unsigned char *nothing    # the winners of a pixel beyond the image
    Py_ssize_t height
    Py_ssize_t width
    Py_ssize_t channels


cdef inline Images images_of(const void *pixels, const unsigned char[:, :, :, ::1] winners,
                             Py_ssize_t height, Py_ssize_t width, Py_ssize_t channels) noexcept:
    cdef Images images
    images.pixels, images.winners, images.nothing = pixels, NULL, NULL
    if winners is not None:
        images.winners = &winners[0, 0, 0, 0]
    images.height, images.width, images.channels = height, width, channels
    return images


cdef inline void patch_of(const Images *images, Py_ssize_t index, Py_ssize_t row,
                          Py_ssize_t column, Py_ssize_t side, Py_ssize_t first, Py_ssize_t count,
                          Py_ssize_t padded, real *buffer, winograd_patch *patch) noexcept nogil:
    """side x side pixels of an image from (row, column) on, `count` channels from `first` on.

    In whole vectors: in the image itself where it holds all of that, else in `buffer`, filled up
    with zeros.
    """
    cdef Py_ssize_t i, j, left, right
    cdef Py_ssize_t height = images.height, width = images.width, channels = images.channels
    cdef const real *image
    cdef real *to
    patch.pooled = images.winners != NULL
    if patch.pooled:
        find_windows(images, <const real *>images.pixels, index, row, column, side, first, patch)
        return
    image = <const real *>images.pixels + first
    image += ((index * height + row) * width + column) * channels
    if (row >= 0 and column >= 0 and row + side <= height and column + side <= width
            and count == padded):
        patch.pixels, patch.row, patch.pixel = image, width * channels, channels
        return
    patch.pixels, patch.row, patch.pixel = buffer, side * padded, padded
    left = min(max(<Py_ssize_t>0, -column), side)
    right = max(left, min(side, width - column))
    for i in range(side):
        to = buffer + i * side * padded
        if row + i < 0 or row + i >= height or (padded > count and left < right):
            memset(to, 0, side * padded * sizeof(real))
        else:
            memset(to, 0, left * padded * sizeof(real))
            memset(to + right * padded, 0, (side - right) * padded * sizeof(real))
        if row + i < 0 or row + i >= height:
            continue
        if padded == channels:
            memcpy(to + left * padded, image + (i * width + left) * channels,
                   (right - left) * channels * sizeof(real))
        else:
            for j in range(left, right):
                memcpy(to + j * padded, image + (i * width + j) * channels, count * sizeof(real))


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
                patch.winners[i * WINDOWS + j] = images.nothing


cdef inline void winograd_input(int n, const winograd_patch *d, real *v, Py_ssize_t point,
                                Py_ssize_t vectors) noexcept nogil:
    if real is float:
        f32_winograd_input(n, d, v, point, vectors)
    else:
        f64_winograd_input(n, d, v, point, vectors)
