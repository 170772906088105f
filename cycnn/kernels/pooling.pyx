"""Pooling for Python: maxima, means of windows, and means of whole images.

Built once. The passes are cimported by name, and a name in this package is that of the chosen
instruction set's module when this one is imported.

Arrays are images (N, H, W, C) without gaps, all of float or all of double, as `itemsize` of one
says; those in planes (channels first) come as images of one channel.
"""

from .avg_pool cimport (average_pool_backward_pass, average_pool_pass, mean_pixels_pass,
                        spread_pixels_pass)
from .buffers cimport address, address_of_4d
from .pool cimport (BYTE_PIXELS, indices_pass, max_pool_backward_pass, max_pool_pass, scatter_pass)
from .windows cimport Window, lay_over

#: The largest window whose winners are bytes (uint8); those of larger ones are int32.
MOST_BYTE_PIXELS = BYTE_PIXELS


cdef Window window(tuple geometry, const Py_ssize_t *images, const Py_ssize_t *results) except *:
    """`geometry` holds kernel, stride, padding and dilation, vertical and horizontal of each."""
    cdef Window w
    (w.kernel_h, w.kernel_w, w.stride_h, w.stride_w, w.pad_h, w.pad_w, w.dilation_h,
     w.dilation_w) = geometry
    lay_over(&w, images[1], images[2], results[1], results[2], images[3])
    return w


def max_pool(x, y, winners, tuple geometry, bint relu, int threads):
    """y = the maximum of each window, and the number of the pixel it came from.

    The first maximum wins, and NaN wins over everything. `winners`, of y's shape, may be None. With
    `relu`, for windows of 2 x 2 without padding, y is 0 and nothing wins where the maximum is not
    above 0.
    """
    cdef Py_ssize_t images[4]
    cdef Py_ssize_t results[4]
    cdef const char *px = address_of_4d(x, images)
    cdef char *py = address_of_4d(y, results)
    cdef char *won = NULL if winners is None else address(winners)
    cdef bint is_double = x.itemsize == sizeof(double)
    cdef Window w = window(geometry, images, results)
    w.relu = relu
    with nogil:
        if is_double:
            max_pool_pass(&w, <const double *>px, <double *>py, won, images[0], threads)
        else:
            max_pool_pass(&w, <const float *>px, <float *>py, won, images[0], threads)


def max_pool_backward(dy, winners, dx, tuple geometry, int threads):
    """dx = dy at the pixels that won, added up where several windows chose the same one."""
    cdef Py_ssize_t images[4]
    cdef Py_ssize_t results[4]
    cdef const char *pdy = address_of_4d(dy, results)
    cdef const char *won = address(winners)
    cdef char *pdx = address_of_4d(dx, images)
    cdef bint is_double = dy.itemsize == sizeof(double)
    cdef Window w = window(geometry, images, results)
    with nogil:
        if is_double:
            max_pool_backward_pass(&w, <const double *>pdy, won, <double *>pdx, images[0], threads)
        else:
            max_pool_backward_pass(&w, <const float *>pdy, won, <float *>pdx, images[0], threads)


def winners_to_indices(winners, indices, tuple geometry, Py_ssize_t height, Py_ssize_t width,
                       int threads):
    """indices (int64) = each winner's position in its plane, row * width + column."""
    cdef Py_ssize_t images[4]
    cdef Py_ssize_t results[4]
    cdef const char *won = address(winners)
    cdef char *index = address_of_4d(indices, results)
    images[0], images[1], images[2], images[3] = results[0], height, width, results[3]
    cdef Window w = window(geometry, images, results)
    with nogil:
        indices_pass(&w, won, <long long *>index, images[0], threads)


def scatter(dy, indices, dx, int threads):
    """dx[n, indices[n, p, c], c] += dy[n, p, c], from dx = 0; p and the indices count pixels.

    The indices (int64) are known to be good.
    """
    cdef Py_ssize_t images[4]
    cdef Py_ssize_t results[4]
    cdef const char *pdy = address_of_4d(dy, results)
    cdef const char *index = address(indices)
    cdef char *pdx = address_of_4d(dx, images)
    cdef bint is_double = dy.itemsize == sizeof(double)
    cdef Py_ssize_t pixels = images[1] * images[2], out_pixels = results[1] * results[2]
    with nogil:
        if is_double:
            scatter_pass(<const double *>pdy, <const long long *>index, <double *>pdx, images[0],
                         out_pixels, pixels, images[3], threads)
        else:
            scatter_pass(<const float *>pdy, <const long long *>index, <float *>pdx, images[0],
                         out_pixels, pixels, images[3], threads)


def average_pool(x, y, tuple geometry, bint count_padding, int threads):
    """y = the mean of each window; padding counts as zeros if `count_padding`, else not at all."""
    cdef Py_ssize_t images[4]
    cdef Py_ssize_t results[4]
    cdef const char *px = address_of_4d(x, images)
    cdef char *py = address_of_4d(y, results)
    cdef bint is_double = x.itemsize == sizeof(double)
    cdef Window w = window(geometry, images, results)
    with nogil:
        if is_double:
            average_pool_pass(&w, <const double *>px, <double *>py, images[0], count_padding,
                              threads)
        else:
            average_pool_pass(&w, <const float *>px, <float *>py, images[0], count_padding, threads)


def average_pool_backward(dy, dx, tuple geometry, bint count_padding, int threads):
    """dx = the sum over the windows of each pixel of their dy / size."""
    cdef Py_ssize_t images[4]
    cdef Py_ssize_t results[4]
    cdef const char *pdy = address_of_4d(dy, results)
    cdef char *pdx = address_of_4d(dx, images)
    cdef bint is_double = dy.itemsize == sizeof(double)
    cdef Window w = window(geometry, images, results)
    with nogil:
        if is_double:
            average_pool_backward_pass(&w, <const double *>pdy, <double *>pdx, images[0],
                                       count_padding, threads)
        else:
            average_pool_backward_pass(&w, <const float *>pdy, <float *>pdx, images[0],
                                       count_padding, threads)


def mean_pixels(x, y, int threads):
    """y[n, c] = the mean of x[n, p, c] over all pixels p, summed in double."""
    cdef Py_ssize_t images[4]
    cdef const char *px = address_of_4d(x, images)
    cdef char *py = address(y)
    cdef bint is_double = x.itemsize == sizeof(double)
    cdef Py_ssize_t pixels = images[1] * images[2]
    with nogil:
        if is_double:
            mean_pixels_pass(<const double *>px, <double *>py, images[0], pixels, images[3],
                             threads)
        else:
            mean_pixels_pass(<const float *>px, <float *>py, images[0], pixels, images[3], threads)


def spread_pixels(dy, dx, int threads):
    """dx[n, p, c] = dy[n, c] / pixels."""
    cdef Py_ssize_t images[4]
    cdef const char *pdy = address(dy)
    cdef char *pdx = address_of_4d(dx, images)
    cdef bint is_double = dy.itemsize == sizeof(double)
    cdef Py_ssize_t pixels = images[1] * images[2]
    with nogil:
        if is_double:
            spread_pixels_pass(<const double *>pdy, <double *>pdx, images[0], pixels, images[3],
                               threads)
        else:
            spread_pixels_pass(<const float *>pdy, <float *>pdx, images[0], pixels, images[3],
                               threads)
