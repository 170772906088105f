"""Pooling over (N, H, W, C) memory; what max pooling does within a row stands in pool.h.

Images in planes (channels first) come as images of one channel.
"""

from cython.parallel cimport prange
from libc.string cimport memset

ctypedef fused real:
    float
    double

# Which pixel of the window won: its number, row by row. One byte, unless the window is larger.
ctypedef fused tap:
    unsigned char
    int

cdef enum:
    CHANNELS = 64       # channels of one task of the backward passes

cdef extern from "pool.h" nogil:
    ctypedef struct Window "pool_window":
        Py_ssize_t height, width, channels, out_height, out_width
        Py_ssize_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w
        Py_ssize_t inner, outer, relu

    void pool_max_row_float_byte(const float *x, float *y, unsigned char *winner, const Window *w,
                                 Py_ssize_t row) noexcept
    void pool_max_row_float_int(const float *x, float *y, int *winner, const Window *w,
                                Py_ssize_t row) noexcept
    void pool_max_row_double_byte(const double *x, double *y, unsigned char *winner,
                                  const Window *w, Py_ssize_t row) noexcept
    void pool_max_row_double_int(const double *x, double *y, int *winner, const Window *w,
                                 Py_ssize_t row) noexcept
    void pool_spread_row_float_byte(const float *dy, const unsigned char *winner, float *dx,
                                    const Window *w, Py_ssize_t row) noexcept
    void pool_spread_row_double_byte(const double *dy, const unsigned char *winner, double *dx,
                                     const Window *w, Py_ssize_t row) noexcept


cdef Window window(tuple geometry, Py_ssize_t height, Py_ssize_t width, Py_ssize_t out_height,
                   Py_ssize_t out_width, Py_ssize_t channels) except *:
    """`geometry` holds kernel, stride, padding and dilation, vertical and horizontal of each."""
    cdef Window w
    cdef Py_ssize_t last
    w.height, w.width, w.out_height, w.out_width = height, width, out_height, out_width
    w.channels, w.relu = channels, False
    (w.kernel_h, w.kernel_w, w.stride_h, w.stride_w, w.pad_h, w.pad_w, w.dilation_h,
     w.dilation_w) = geometry
    w.inner = (w.pad_w + w.stride_w - 1) // w.stride_w
    last = w.width + w.pad_w - (w.kernel_w - 1) * w.dilation_w - 1
    w.outer = min(w.out_width, last // w.stride_w + 1) if last >= 0 else 0
    return w


# One thread runs every loop below without OpenMP: to open a parallel region of one thread costs
# more than a small image.

# --- maximum -----------------------------------------------------------------------------------

def max_pool(const real[:, :, :, ::1] x, real[:, :, :, ::1] y, tap[:, :, :, ::1] winners,
             tuple geometry, bint relu, int threads):
    """y = the maximum of each window, and the number of the pixel it came from.

    The first maximum wins, and NaN wins over everything. `winners` may be None. With `relu`, for
    windows of 2 x 2 without padding, y is 0 and there is no winner where the maximum is not above 0.
    """
    cdef Window w = window(geometry, x.shape[1], x.shape[2], y.shape[1], y.shape[2], x.shape[3])
    w.relu = relu
    cdef Py_ssize_t rows = x.shape[0] * w.out_height, row
    cdef const real *px = &x[0, 0, 0, 0]
    cdef real *py = &y[0, 0, 0, 0]
    cdef tap *pw = NULL
    if winners is not None:
        pw = &winners[0, 0, 0, 0]
    with nogil:
        if threads == 1:
            for row in range(rows):
                max_row(px, py, pw, &w, row)
        else:
            for row in prange(rows, num_threads=threads, schedule="static"):
                max_row(px, py, pw, &w, row)


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


def max_pool_backward(const real[:, :, :, ::1] dy, const tap[:, :, :, ::1] winners,
                      real[:, :, :, ::1] dx, tuple geometry, int threads):
    """dx = dy at the pixels that won, added up where several windows chose the same one."""
    cdef Window w = window(geometry, dx.shape[1], dx.shape[2], dy.shape[1], dy.shape[2],
                           dx.shape[3])
    cdef Py_ssize_t rows = dx.shape[0] * w.out_height, i
    cdef Py_ssize_t tasks = dx.shape[0] * ((w.channels + CHANNELS - 1) // CHANNELS)
    cdef const real *pdy = &dy[0, 0, 0, 0]
    cdef const tap *pw = &winners[0, 0, 0, 0]
    cdef real *pdx = &dx[0, 0, 0, 0]
    # Windows side by side that begin at the corner: every pixel belongs to one window or to none.
    cdef bint tiled = (geometry == (2, 2, 2, 2, 0, 0, 1, 1) and w.out_height == w.height // 2
                       and w.out_width == w.width // 2)
    with nogil:
        if tiled and threads == 1:
            for i in range(rows):
                spread_row(pdy, pw, pdx, &w, i)
        elif tiled:
            for i in prange(rows, num_threads=threads, schedule="static"):
                spread_row(pdy, pw, pdx, &w, i)
        elif threads == 1:
            for i in range(tasks):
                scatter_winners(pdy, pw, pdx, &w, i)
        else:
            for i in prange(tasks, num_threads=threads, schedule="static"):
                scatter_winners(pdy, pw, pdx, &w, i)


cdef inline void spread_row(const real *dy, const tap *winner, real *dx, const Window *w,
                            Py_ssize_t row) noexcept nogil:
    """The pixels of one row of 2 x 2 windows."""
    cdef Py_ssize_t o = row * w.out_width * w.channels
    dx += row // w.out_height * w.height * w.width * w.channels
    if tap is int:
        pass                    # such winners are of windows larger than these
    elif real is float:
        pool_spread_row_float_byte(dy + o, winner + o, dx, w, row % w.out_height)
    else:
        pool_spread_row_double_byte(dy + o, winner + o, dx, w, row % w.out_height)


cdef inline void scatter_winners(const real *dy, const tap *winner, real *dx, const Window *w,
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


cdef inline void clear(real *dx, Py_ssize_t pixels, Py_ssize_t channels,
                       Py_ssize_t count) noexcept nogil:
    """dx = 0 at `count` of the `channels` of all pixels."""
    cdef Py_ssize_t p
    if count == channels:
        memset(dx, 0, pixels * channels * sizeof(real))
    else:
        for p in range(pixels):
            memset(dx + p * channels, 0, count * sizeof(real))


def winners_to_indices(const tap[:, :, :, ::1] winners, long long[:, :, :, ::1] indices,
                       tuple geometry, Py_ssize_t height, Py_ssize_t width, int threads):
    """indices = each winner's position in its plane, row * width + column."""
    cdef Window w = window(geometry, height, width, winners.shape[1], winners.shape[2],
                           winners.shape[3])
    cdef Py_ssize_t rows = winners.shape[0] * w.out_height, row
    cdef const tap *pw = &winners[0, 0, 0, 0]
    cdef long long *index = &indices[0, 0, 0, 0]
    with nogil:
        if threads == 1:
            for row in range(rows):
                indices_of_row(pw, index, &w, row)
        else:
            for row in prange(rows, num_threads=threads, schedule="static"):
                indices_of_row(pw, index, &w, row)


cdef inline void indices_of_row(const tap *winner, long long *index, const Window *w,
                                Py_ssize_t row) noexcept nogil:
    cdef Py_ssize_t o = row * w.out_width * w.channels, column, c, u, v
    cdef Py_ssize_t top = (row % w.out_height * w.stride_h - w.pad_h) * w.width
    for column in range(w.out_width):
        for c in range(o, o + w.channels):
            u = winner[c] // <tap>w.kernel_w
            v = winner[c] - u * w.kernel_w
            index[c] = (top + u * w.dilation_h * w.width
                        + column * w.stride_w - w.pad_w + v * w.dilation_w)
        o += w.channels


def scatter(const real[:, :, ::1] dy, const long long[:, :, ::1] indices, real[:, :, ::1] dx,
            int threads):
    """dx[n, indices[n, p, c], c] += dy[n, p, c], from dx = 0; the indices are known to be good."""
    cdef Py_ssize_t out_pixels = dy.shape[1], pixels = dx.shape[1], channels = dx.shape[2], i
    cdef Py_ssize_t tasks = dx.shape[0] * ((channels + CHANNELS - 1) // CHANNELS)
    cdef const real *pdy = &dy[0, 0, 0]
    cdef const long long *index = &indices[0, 0, 0]
    cdef real *pdx = &dx[0, 0, 0]
    with nogil:
        if threads == 1:
            for i in range(tasks):
                scatter_indices(pdy, index, pdx, out_pixels, pixels, channels, i)
        else:
            for i in prange(tasks, num_threads=threads, schedule="static"):
                scatter_indices(pdy, index, pdx, out_pixels, pixels, channels, i)


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


# --- average -----------------------------------------------------------------------------------

def average_pool(const real[:, :, :, ::1] x, real[:, :, :, ::1] y, tuple geometry,
                 bint count_padding, int threads):
    """y = the mean of each window; padding counts as zeros if `count_padding`, else not at all."""
    cdef Window w = window(geometry, x.shape[1], x.shape[2], y.shape[1], y.shape[2], x.shape[3])
    cdef Py_ssize_t rows = x.shape[0] * w.out_height, row
    cdef const real *px = &x[0, 0, 0, 0]
    cdef real *py = &y[0, 0, 0, 0]
    with nogil:
        if threads == 1:
            for row in range(rows):
                average_row(px, py, &w, row, count_padding)
        else:
            for row in prange(rows, num_threads=threads, schedule="static"):
                average_row(px, py, &w, row, count_padding)


def average_pool_backward(const real[:, :, :, ::1] dy, real[:, :, :, ::1] dx, tuple geometry,
                          bint count_padding, int threads):
    """dx = the sum over the windows of each pixel of their dy / size."""
    cdef Window w = window(geometry, dx.shape[1], dx.shape[2], dy.shape[1], dy.shape[2],
                           dx.shape[3])
    cdef Py_ssize_t tasks = dx.shape[0] * ((w.channels + CHANNELS - 1) // CHANNELS), i
    cdef const real *pdy = &dy[0, 0, 0, 0]
    cdef real *pdx = &dx[0, 0, 0, 0]
    with nogil:
        if threads == 1:
            for i in range(tasks):
                average_backward(pdy, pdx, &w, i, count_padding)
        else:
            for i in prange(tasks, num_threads=threads, schedule="static"):
                average_backward(pdy, pdx, &w, i, count_padding)


cdef inline Py_ssize_t span(Py_ssize_t start, Py_ssize_t kernel, Py_ssize_t size, Py_ssize_t pad,
                            bint count_padding) noexcept nogil:
    """How many places of one axis of a window count: those in the image, or in the padding too."""
    if count_padding:
        return min(start + kernel, size + pad) - start
    return min(start + kernel, size) - max(start, 0)


cdef inline void average_row(const real *x, real *y, const Window *w, Py_ssize_t row,
                             bint count_padding) noexcept nogil:
    """One row of outputs, counted through all images."""
    cdef Py_ssize_t top = row % w.out_height * w.stride_h - w.pad_h, left, column, h, v, c
    cdef Py_ssize_t high = span(top, w.kernel_h, w.height, w.pad_h, count_padding)
    cdef const real *p
    cdef real size
    x += row // w.out_height * w.height * w.width * w.channels
    y += row * w.out_width * w.channels
    for column in range(w.out_width):
        left = column * w.stride_w - w.pad_w
        for c in range(w.channels):
            y[c] = 0
        for h in range(max(top, 0), min(top + w.kernel_h, w.height)):
            for v in range(max(left, 0), min(left + w.kernel_w, w.width)):
                p = x + (h * w.width + v) * w.channels
                for c in range(w.channels):
                    y[c] += p[c]
        size = <real>(high * span(left, w.kernel_w, w.width, w.pad_w, count_padding))
        for c in range(w.channels):
            y[c] /= size
        y += w.channels


cdef inline void average_backward(const real *dy, real *dx, const Window *w, Py_ssize_t task,
                                  bint count_padding) noexcept nogil:
    """One task: CHANNELS channels of one image."""
    cdef Py_ssize_t blocks = (w.channels + CHANNELS - 1) // CHANNELS
    cdef Py_ssize_t image = task // blocks, channel = task % blocks * CHANNELS
    cdef Py_ssize_t count = min(CHANNELS, w.channels - channel)
    cdef Py_ssize_t row, column, top, left, high, h, v, c
    cdef real share[CHANNELS]
    cdef real size
    cdef real *p
    dx += image * w.height * w.width * w.channels + channel
    dy += image * w.out_height * w.out_width * w.channels + channel
    clear(dx, w.height * w.width, w.channels, count)
    for row in range(w.out_height):
        top = row * w.stride_h - w.pad_h
        high = span(top, w.kernel_h, w.height, w.pad_h, count_padding)
        for column in range(w.out_width):
            left = column * w.stride_w - w.pad_w
            size = <real>(high * span(left, w.kernel_w, w.width, w.pad_w, count_padding))
            for c in range(count):
                share[c] = dy[c] / size
            for h in range(max(top, 0), min(top + w.kernel_h, w.height)):
                for v in range(max(left, 0), min(left + w.kernel_w, w.width)):
                    p = dx + (h * w.width + v) * w.channels
                    for c in range(count):
                        p[c] += share[c]
            dy += w.channels


def mean_pixels(const real[:, :, ::1] x, real[:, ::1] y, int threads):
    """y[n, c] = the mean of x[n, p, c] over all pixels p, summed in double."""
    cdef Py_ssize_t pixels = x.shape[1], channels = x.shape[2], i
    cdef Py_ssize_t tasks = x.shape[0] * ((channels + CHANNELS - 1) // CHANNELS)
    cdef const real *px = &x[0, 0, 0]
    cdef real *py = &y[0, 0]
    with nogil:
        if threads == 1:
            for i in range(tasks):
                mean_block(px, py, pixels, channels, i)
        else:
            for i in prange(tasks, num_threads=threads, schedule="static"):
                mean_block(px, py, pixels, channels, i)


cdef inline void mean_block(const real *x, real *y, Py_ssize_t pixels, Py_ssize_t channels,
                            Py_ssize_t task) noexcept nogil:
    """One task: CHANNELS channels of one image."""
    cdef Py_ssize_t blocks = (channels + CHANNELS - 1) // CHANNELS
    cdef Py_ssize_t image = task // blocks, channel = task % blocks * CHANNELS
    cdef Py_ssize_t count = min(CHANNELS, channels - channel), p, c
    cdef double total[CHANNELS]
    x += image * pixels * channels + channel
    for c in range(count):
        total[c] = 0
    for p in range(pixels):
        for c in range(count):
            total[c] += x[p * channels + c]
    for c in range(count):
        y[image * channels + channel + c] = <real>(total[c] / pixels)


def spread_pixels(const real[:, ::1] dy, real[:, :, ::1] dx, int threads):
    """dx[n, p, c] = dy[n, c] / pixels."""
    cdef Py_ssize_t images = dx.shape[0], pixels = dx.shape[1], channels = dx.shape[2], i
    cdef const real *pdy = &dy[0, 0]
    cdef real *pdx = &dx[0, 0, 0]
    with nogil:
        if threads == 1:
            for i in range(images):
                spread_image(pdy, pdx, pixels, channels, i)
        else:
            for i in prange(images, num_threads=threads, schedule="static"):
                spread_image(pdy, pdx, pixels, channels, i)


cdef inline void spread_image(const real *dy, real *dx, Py_ssize_t pixels, Py_ssize_t channels,
                              Py_ssize_t image) noexcept nogil:
    cdef Py_ssize_t p, c
    cdef real share
    dy, dx = dy + image * channels, dx + image * pixels * channels
    if channels == 1:
        share = dy[0] / pixels
        for p in range(pixels):
            dx[p] = share
    else:
        for p in range(pixels):
            for c in range(channels):
                dx[p * channels + c] = dy[c] / pixels
