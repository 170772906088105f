"""Moving pixels and channels: into a frame of zeros, side by side, and apart again."""

from cython.parallel cimport prange
from libc.string cimport memcpy

from .buffers cimport address, address_of_4d, copy_padded

# Pixels of one parallel task.
cdef enum:
    PIXELS = 256

# One thread runs the loops below without OpenMP: to open a parallel region of one thread costs as
# much as a small array.


def pad(x, y, Py_ssize_t top, Py_ssize_t left, Py_ssize_t itemsize, int threads):
    """y[n, i, j] = x[n, i - top, j - left], 0 where x has no such pixel; both may be negative.

    x and y are (N, H, W, C) in C order.
    """
    cdef Py_ssize_t shape[4]
    cdef Py_ssize_t out[4]
    # Nothing is calculated, so doubles are moved as two floats each.
    cdef const float *px = <const float *>address_of_4d(x, shape)
    cdef float *py = <float *>address_of_4d(y, out)
    cdef Py_ssize_t channels = shape[3] * (itemsize // <Py_ssize_t>sizeof(float))
    # Taken out of the arrays: for all that the compiler knows, memcpy might write to those.
    cdef Py_ssize_t height = shape[1], width = shape[2], out_height = out[1], out_width = out[2]
    cdef Py_ssize_t rows = out[0] * out_height, row
    with nogil:
        if threads == 1:
            for row in range(rows):
                copy_padded(px + row // out_height * height * width * channels, height, width,
                            channels, py + row * out_width * channels, row % out_height - top, 1,
                            -left, out_width)
        else:
            for row in prange(rows, num_threads=threads, schedule="static"):
                copy_padded(px + row // out_height * height * width * channels, height, width,
                            channels, py + row * out_width * channels, row % out_height - top, 1,
                            -left, out_width)


def copy_channels(x, Py_ssize_t x_first, Py_ssize_t x_channels, y, Py_ssize_t y_first,
                  Py_ssize_t y_channels, Py_ssize_t count, Py_ssize_t pixels, Py_ssize_t itemsize,
                  int threads):
    """`count` channels of each pixel, from channel x_first of x to channel y_first of y.

    x and y hold `pixels` times x_channels and y_channels numbers without gaps.
    """
    cdef const char *px = address(x) + x_first * itemsize
    cdef char *py = address(y) + y_first * itemsize
    cdef Py_ssize_t tasks = (pixels + PIXELS - 1) // PIXELS, i
    x_channels, y_channels, count = (x_channels * itemsize, y_channels * itemsize,
                                     count * itemsize)
    with nogil:
        if threads == 1:
            for i in range(tasks):
                copy_pieces(px, x_channels, py, y_channels, count, pixels, i)
        else:
            for i in prange(tasks, num_threads=threads, schedule="static"):
                copy_pieces(px, x_channels, py, y_channels, count, pixels, i)


cdef void copy_pieces(const char *x, Py_ssize_t x_step, char *y, Py_ssize_t y_step,
                      Py_ssize_t count, Py_ssize_t pixels, Py_ssize_t task) noexcept nogil:
    cdef Py_ssize_t p
    for p in range(task * PIXELS, min((task + 1) * PIXELS, pixels)):
        memcpy(y + p * y_step, x + p * x_step, count)
