"""Average pooling over (N, H, W, C) memory, and the mean of whole images.

Images in planes (channels first) come as images of one channel.
"""

from cython.parallel cimport prange

from .buffers cimport address, address_of_4d, clear
from .repeat cimport repeat
from .tile cimport real
from .windows cimport Window, window

cdef enum:
    CHANNELS = 64       # channels of one task

cdef extern from "avg_pool.h" nogil:
    void avg_row_float(const float *x, float *y, const Window *w, Py_ssize_t row) noexcept
    void avg_row_double(const double *x, double *y, const Window *w, Py_ssize_t row) noexcept
    void avg_divide_float(float *y, Py_ssize_t n, Py_ssize_t by) noexcept
    void avg_divide_double(double *y, Py_ssize_t n, Py_ssize_t by) noexcept
    void avg_totals_float(const float *x, Py_ssize_t pixels, Py_ssize_t channels, Py_ssize_t n,
                          double *total) noexcept
    void avg_totals_double(const double *x, Py_ssize_t pixels, Py_ssize_t channels, Py_ssize_t n,
                           double *total) noexcept


# The arrays are in C order, floats of `size` bytes.
#
# One thread runs the loops below without OpenMP: to open a parallel region of one thread costs as
# much as a small array.


def average_pool(x, y, tuple geometry, bint count_padding, int size, int threads):
    """y = the mean of each window; padding counts as zeros if `count_padding`, else not at all."""
    cdef Py_ssize_t shape[4]
    cdef Py_ssize_t out[4]
    cdef const char *px = address_of_4d(x, shape)
    cdef char *py = address_of_4d(y, out)
    cdef Window w = window(geometry, shape[1], shape[2], out[1], out[2], shape[3])
    with nogil:
        if size == sizeof(float):
            average_all(<const float *>px, <float *>py, &w, shape[0], count_padding, threads)
        else:
            average_all(<const double *>px, <double *>py, &w, shape[0], count_padding, threads)


cdef void average_all(const real *x, real *y, const Window *w, Py_ssize_t images,
                      bint count_padding, int threads) noexcept nogil:
    cdef Py_ssize_t rows = images * w.out_height, row
    if threads == 1:
        for row in range(rows):
            average_row(x, y, w, row, count_padding)
    else:
        for row in prange(rows, num_threads=threads, schedule="static"):
            average_row(x, y, w, row, count_padding)


def average_pool_backward(dy, dx, tuple geometry, bint count_padding, int size, int threads):
    """dx = the sum over the windows of each pixel of their dy / its size."""
    cdef Py_ssize_t shape[4]
    cdef Py_ssize_t out[4]
    cdef const char *pdy = address_of_4d(dy, out)
    cdef char *pdx = address_of_4d(dx, shape)
    cdef Window w = window(geometry, shape[1], shape[2], out[1], out[2], shape[3])
    with nogil:
        if size == sizeof(float):
            backward_all(<const float *>pdy, <float *>pdx, &w, shape[0], count_padding, threads)
        else:
            backward_all(<const double *>pdy, <double *>pdx, &w, shape[0], count_padding, threads)


cdef void backward_all(const real *dy, real *dx, const Window *w, Py_ssize_t images,
                       bint count_padding, int threads) noexcept nogil:
    cdef Py_ssize_t tasks = images * ((w.channels + CHANNELS - 1) // CHANNELS), i
    if threads == 1:
        for i in range(tasks):
            average_backward(dy, dx, w, i, count_padding)
    else:
        for i in prange(tasks, num_threads=threads, schedule="static"):
            average_backward(dy, dx, w, i, count_padding)


cdef inline Py_ssize_t span(Py_ssize_t start, Py_ssize_t kernel, Py_ssize_t size, Py_ssize_t pad,
                            bint count_padding) noexcept nogil:
    """How many places of one axis of a window count: those in the image, or in the padding too."""
    if count_padding:
        return min(start + kernel, size + pad) - start
    return min(start + kernel, size) - max(start, 0)


cdef inline void average_row(const real *x, real *y, const Window *w, Py_ssize_t row,
                             bint count_padding) noexcept nogil:
    """One row of outputs, counted through all images."""
    cdef Py_ssize_t top = row % w.out_height * w.stride_h - w.pad_h
    cdef Py_ssize_t high = span(top, w.kernel_h, w.height, w.pad_h, count_padding)
    cdef Py_ssize_t inner = min(w.inner, w.outer), column = 0, count, wide
    x += row // w.out_height * w.height * w.width * w.channels
    y += row * w.out_width * w.channels
    if real is float:
        avg_row_float(x, y, w, row % w.out_height)
    else:
        avg_row_double(x, y, w, row % w.out_height)
    while column < w.out_width:         # the windows within the row at once
        count = w.outer - inner if column == inner and inner < w.outer else 1
        wide = span(column * w.stride_w - w.pad_w, w.kernel_w, w.width, w.pad_w, count_padding)
        if real is float:
            avg_divide_float(y, count * w.channels, high * wide)
        else:
            avg_divide_double(y, count * w.channels, high * wide)
        y += count * w.channels
        column += count


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


def mean_pixels(x, y, Py_ssize_t images, Py_ssize_t pixels, Py_ssize_t channels, int size,
                int threads):
    """y[n, c] = the mean of x[n, p, c] over all pixels p, summed in double."""
    cdef const char *px = address(x)
    cdef char *py = address(y)
    with nogil:
        if size == sizeof(float):
            mean_all(<const float *>px, <float *>py, images, pixels, channels, threads)
        else:
            mean_all(<const double *>px, <double *>py, images, pixels, channels, threads)


cdef void mean_all(const real *x, real *y, Py_ssize_t images, Py_ssize_t pixels,
                   Py_ssize_t channels, int threads) noexcept nogil:
    cdef Py_ssize_t tasks = images * ((channels + CHANNELS - 1) // CHANNELS), i
    if threads == 1:
        for i in range(tasks):
            mean_block(x, y, pixels, channels, i)
    else:
        for i in prange(tasks, num_threads=threads, schedule="static"):
            mean_block(x, y, pixels, channels, i)


cdef inline void mean_block(const real *x, real *y, Py_ssize_t pixels, Py_ssize_t channels,
                            Py_ssize_t task) noexcept nogil:
    """One task: CHANNELS channels of one image."""
    cdef Py_ssize_t blocks = (channels + CHANNELS - 1) // CHANNELS
    cdef Py_ssize_t image = task // blocks, channel = task % blocks * CHANNELS
    cdef Py_ssize_t count = min(CHANNELS, channels - channel), c
    cdef double total[CHANNELS]
    x += image * pixels * channels + channel
    if real is float:
        avg_totals_float(x, pixels, channels, count, total)
    else:
        avg_totals_double(x, pixels, channels, count, total)
    for c in range(count):
        y[image * channels + channel + c] = <real>(total[c] / pixels)


def spread_pixels(dy, dx, Py_ssize_t images, Py_ssize_t pixels, Py_ssize_t channels, int size,
                  int threads):
    """dx[n, p, c] = dy[n, c] / pixels."""
    cdef const char *pdy = address(dy)
    cdef char *pdx = address(dx)
    with nogil:
        if size == sizeof(float):
            spread_all(<const float *>pdy, <float *>pdx, images, pixels, channels, threads)
        else:
            spread_all(<const double *>pdy, <double *>pdx, images, pixels, channels, threads)


cdef void spread_all(const real *dy, real *dx, Py_ssize_t images, Py_ssize_t pixels,
                     Py_ssize_t channels, int threads) noexcept nogil:
    cdef Py_ssize_t i
    if threads == 1:
        for i in range(images):
            spread_image(dy, dx, pixels, channels, i)
    else:
        for i in prange(images, num_threads=threads, schedule="static"):
            spread_image(dy, dx, pixels, channels, i)


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
        for c in range(channels):
            dx[c] = dy[c] / pixels
        repeat(<char *>dx, channels * sizeof(real), pixels * channels * sizeof(real))
