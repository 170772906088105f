"""Max pooling over (N, H, W, C) memory; what happens within a row stands in pool.h.

Images in planes (channels first) come as images of one channel. What Python calls stands in
`pooling.pyx`, and there what the passes compute.
"""

from cython.parallel cimport prange

from .buffers cimport clear
from .tile cimport lanes_of, real
from .windows cimport Window

ctypedef fused tap:
    unsigned char
    int

cdef enum:
    CHANNELS = 64       # channels of one task where windows may overlap
    # Bytes of a gradient that no cache holds until the layer before reads it: there is no use in
    # fetching its lines in order to overwrite them.
    BEYOND_CACHES = 1 << 25
    ALIGNED = 64

cdef extern from "pool.h" nogil:
    void pool_max_row_float_byte(const float *x, float *y, unsigned char *winner, const Window *w,
                                 Py_ssize_t row) noexcept
    void pool_max_row_float_int(const float *x, float *y, int *winner, const Window *w,
                                Py_ssize_t row) noexcept
    void pool_max_row_double_byte(const double *x, double *y, unsigned char *winner,
                                  const Window *w, Py_ssize_t row) noexcept
    void pool_max_row_double_int(const double *x, double *y, int *winner, const Window *w,
                                 Py_ssize_t row) noexcept
    void pool_spread_row_float_byte(const float *dy, const unsigned char *winner, float *dx,
                                    const Window *w, Py_ssize_t row, int stream) noexcept
    void pool_spread_row_double_byte(const double *dy, const unsigned char *winner, double *dx,
                                     const Window *w, Py_ssize_t row, int stream) noexcept


# One thread runs every loop below without OpenMP: to open a parallel region of one thread costs
# more than a small image.

cdef inline bint is_large(const Window *w) noexcept nogil:
    """Whether a winner is an int. In padding a window may have more pixels than 32 bits count."""
    return <double>w.kernel_h * w.kernel_w > BYTE_PIXELS


cdef void max_pool_pass(const Window *w, const real *x, real *y, void *winners, Py_ssize_t images,
                        int threads) noexcept nogil:
    if is_large(w):
        max_rows(x, y, <int *>winners, w, images, threads)
    else:
        max_rows(x, y, <unsigned char *>winners, w, images, threads)


cdef void max_rows(const real *x, real *y, tap *winner, const Window *w, Py_ssize_t images,
                   int threads) noexcept nogil:
    cdef Py_ssize_t rows = images * w.out_height, row
    if threads == 1:
        for row in range(rows):
            max_row(x, y, winner, w, row)
    else:
        for row in prange(rows, num_threads=threads, schedule="static"):
            max_row(x, y, winner, w, row)


cdef inline void max_row(const real *x, real *y, tap *winner, const Window *w,
                         Py_ssize_t row) noexcept nogil:
    """One row of outputs, counted through all images."""
    cdef Py_ssize_t o = row * w.out_width * w.channels
    x += row // w.out_height * w.height * w.width * w.channels
    row = row % w.out_height
    y = y + o
    if winner != NULL:
        winner = winner + o
    if real is float and tap is int:
        pool_max_row_float_int(x, y, winner, w, row)
    elif real is float:
        pool_max_row_float_byte(x, y, winner, w, row)
    elif tap is int:
        pool_max_row_double_int(x, y, winner, w, row)
    else:
        pool_max_row_double_byte(x, y, winner, w, row)


cdef void max_pool_backward_pass(const Window *w, const real *dy, const void *winners, real *dx,
                                 Py_ssize_t images, int threads) noexcept nogil:
    if (w.kernel_h == w.kernel_w == w.stride_h == w.stride_w == 2 and w.pad_h == w.pad_w == 0
            and w.dilation_h == w.dilation_w == 1 and w.out_height == w.height // 2
            and w.out_width == w.width // 2):
        spread_winners(dy, <const unsigned char *>winners, dx, w, images, threads)
    elif is_large(w):
        scatter_winners(dy, <const int *>winners, dx, w, images, threads)
    else:
        scatter_winners(dy, <const unsigned char *>winners, dx, w, images, threads)


cdef void spread_winners(const real *dy, const unsigned char *winner, real *dx, const Window *w,
                         Py_ssize_t images, int threads) noexcept nogil:
    """Windows side by side that begin at the corner: each pixel belongs to one window or none."""
    cdef Py_ssize_t rows = images * w.out_height, row
    # Whole vectors that begin on cache lines can be stored around the caches.
    cdef bint stream = (images * w.height * w.width * w.channels * <Py_ssize_t>sizeof(real)
                        >= BEYOND_CACHES and <size_t>dx % ALIGNED == 0
                        and w.channels % lanes_of(dx) == 0)
    if threads == 1:
        for row in range(rows):
            spread_row(dy, winner, dx, w, row, stream)
    else:
        for row in prange(rows, num_threads=threads, schedule="static"):
            spread_row(dy, winner, dx, w, row, stream)


cdef inline void spread_row(const real *dy, const unsigned char *winner, real *dx,
                            const Window *w, Py_ssize_t row, bint stream) noexcept nogil:
    """The pixels of one row of 2 x 2 windows."""
    cdef Py_ssize_t o = row * w.out_width * w.channels
    dx += row // w.out_height * w.height * w.width * w.channels
    if real is float:
        pool_spread_row_float_byte(dy + o, winner + o, dx, w, row % w.out_height, stream)
    else:
        pool_spread_row_double_byte(dy + o, winner + o, dx, w, row % w.out_height, stream)


cdef void scatter_winners(const real *dy, const tap *winner, real *dx, const Window *w,
                          Py_ssize_t images, int threads) noexcept nogil:
    """Windows of any kind, number by number.

    To collect them in vectors, pixel by pixel, takes as long for 9 pixels and longer for more.
    """
    cdef Py_ssize_t tasks = images * ((w.channels + CHANNELS - 1) // CHANNELS), i
    if threads == 1:
        for i in range(tasks):
            scatter_block(dy, winner, dx, w, i)
    else:
        for i in prange(tasks, num_threads=threads, schedule="static"):
            scatter_block(dy, winner, dx, w, i)


cdef inline void scatter_block(const real *dy, const tap *winner, real *dx, const Window *w,
                               Py_ssize_t task) noexcept nogil:
    """One task: CHANNELS channels of one image."""
    cdef Py_ssize_t blocks = (w.channels + CHANNELS - 1) // CHANNELS
    cdef Py_ssize_t image = task // blocks, channel = task % blocks * CHANNELS
    cdef Py_ssize_t count = min(CHANNELS, w.channels - channel), row, column, i, u, v
    cdef Py_ssize_t down = w.dilation_h * w.width * w.channels, right = w.dilation_w * w.channels
    cdef Py_ssize_t offset[256]
    cdef real *corner
    dx += image * w.height * w.width * w.channels + channel
    dy, winner = dy + channel, winner + channel
    clear(dx, w.height * w.width, w.channels, count)
    if tap is not int:
        for u in range(w.kernel_h):
            for v in range(w.kernel_w):
                offset[u * w.kernel_w + v] = u * down + v * right
    for row in range(image * w.out_height, (image + 1) * w.out_height):
        for column in range(w.out_width):
            i = (row * w.out_width + column) * w.channels
            corner = dx + (((row - image * w.out_height) * w.stride_h - w.pad_h) * w.width
                           + column * w.stride_w - w.pad_w) * w.channels
            scatter_window(dy + i, winner + i, corner, offset, down, right, w.kernel_w, count)


cdef inline void scatter_window(const real *dy, const tap *winner, real *corner,
                                const Py_ssize_t *offset, Py_ssize_t down, Py_ssize_t right,
                                Py_ssize_t kernel_w, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t c
    for c in range(count):
        if tap is int:
            corner[winner[c] // kernel_w * down + winner[c] % kernel_w * right + c] += dy[c]
        else:
            corner[offset[winner[c]] + c] += dy[c]


cdef void indices_pass(const Window *w, const void *winners, long long *indices,
                       Py_ssize_t images, int threads) noexcept nogil:
    if is_large(w):
        indices_of_rows(<const int *>winners, indices, w, images, threads)
    else:
        indices_of_rows(<const unsigned char *>winners, indices, w, images, threads)


cdef void indices_of_rows(const tap *winner, long long *index, const Window *w, Py_ssize_t images,
                          int threads) noexcept nogil:
    cdef Py_ssize_t rows = images * w.out_height, row
    if threads == 1:
        for row in range(rows):
            indices_of_row(winner, index, w, row)
    else:
        for row in prange(rows, num_threads=threads, schedule="static"):
            indices_of_row(winner, index, w, row)


cdef inline void indices_of_row(const tap *winner, long long *index, const Window *w,
                                Py_ssize_t row) noexcept nogil:
    cdef Py_ssize_t channels = w.channels, stride = w.stride_w, column, c, u, v
    cdef Py_ssize_t corner = (row % w.out_height * w.stride_h - w.pad_h) * w.width - w.pad_w
    cdef Py_ssize_t offset[256]
    winner, index = winner + row * w.out_width * channels, index + row * w.out_width * channels
    if tap is not int:          # divisions are slow
        for u in range(w.kernel_h):
            for v in range(w.kernel_w):
                offset[u * w.kernel_w + v] = u * w.dilation_h * w.width + v * w.dilation_w
    if channels == 1:
        for column in range(w.out_width):
            index[column] = corner + column * stride + from_corner(winner[column], w, offset)
        return
    for column in range(w.out_width):
        for c in range(channels):
            index[c] = corner + column * stride + from_corner(winner[c], w, offset)
        winner, index = winner + channels, index + channels


cdef inline Py_ssize_t from_corner(tap winner, const Window *w,
                                   const Py_ssize_t *offset) noexcept nogil:
    """From the first pixel of a window to the one that won."""
    cdef Py_ssize_t u
    if tap is int:
        u = winner // w.kernel_w
        return u * w.dilation_h * w.width + (winner - u * w.kernel_w) * w.dilation_w
    return offset[winner]


cdef void scatter_pass(const real *dy, const long long *indices, real *dx, Py_ssize_t images,
                       Py_ssize_t out_pixels, Py_ssize_t pixels, Py_ssize_t channels,
                       int threads) noexcept nogil:
    cdef Py_ssize_t tasks = images * ((channels + CHANNELS - 1) // CHANNELS), i
    if threads == 1:
        for i in range(tasks):
            scatter_indices(dy, indices, dx, out_pixels, pixels, channels, i)
    else:
        for i in prange(tasks, num_threads=threads, schedule="static"):
            scatter_indices(dy, indices, dx, out_pixels, pixels, channels, i)


cdef inline void scatter_indices(const real *dy, const long long *index, real *dx,
                                 Py_ssize_t out_pixels, Py_ssize_t pixels, Py_ssize_t channels,
                                 Py_ssize_t task) noexcept nogil:
    """One task: CHANNELS channels of one image."""
    cdef Py_ssize_t blocks = (channels + CHANNELS - 1) // CHANNELS
    cdef Py_ssize_t image = task // blocks, channel = task % blocks * CHANNELS
    cdef Py_ssize_t count = min(CHANNELS, channels - channel), p, c
    dx += image * pixels * channels + channel
    clear(dx, pixels, channels, count)
    for p in range(image * out_pixels, (image + 1) * out_pixels):
        for c in range(count):
            dx[index[p * channels + channel + c] * channels + c] += dy[p * channels + channel + c]
