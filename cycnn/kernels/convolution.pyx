"""The three passes of a convolution by the family of kernels that is wanted: for Python, and for C.

Built once. The kernels are cimported by name, and a name in this package is that of the chosen
instruction set's module when this one is imported.

Arrays lie in memory without gaps, all of float or all of double, as `itemsize` of one says.
"""

from .buffers cimport address, address_of_4d
from .conv cimport forward_pass as direct_forward
from .conv cimport input_gradient_pass as direct_input_gradient
from .conv_weight cimport weight_gradient_pass as direct_weight_gradient
from .strips cimport forward_pass as strips_forward
from .strips cimport input_gradient_pass as strips_input_gradient
from .strips_weight cimport weight_gradient_pass as strips_weight_gradient
from .strips_winograd cimport forward_pass as strips_winograd_forward
from .strips_winograd cimport input_gradient_pass as strips_winograd_input_gradient
from .strips_winograd_weight cimport weight_gradient_pass as strips_winograd_weight_gradient
from .tile cimport real
from .winograd cimport forward_pass as winograd_forward
from .winograd cimport input_gradient_pass as winograd_input_gradient
from .winograd_weight cimport weight_gradient_pass as winograd_weight_gradient


def forward(int family, x, weight, bias, y, winners, Py_ssize_t out_height, Py_ssize_t out_width,
            Py_ssize_t stride_h, Py_ssize_t stride_w, Py_ssize_t top, Py_ssize_t left,
            Py_ssize_t dilation_h, Py_ssize_t dilation_w, Py_ssize_t groups, bint relu, bint pool,
            int threads):
    """y = bias + x * weight, then ReLU and a 2 x 2 max-pool if wanted.

    x (N, H, W, C), weight (K, C / groups, kH, kW), y (N, out_height, out_width, K), halved (rounded
    down) by the pool; `top` and `left` zeros stand before the image; bias (K,) may be None.
    `winners`, of y's shape or None, gets which of a window's four outputs won, or NO_WINNER.
    Depthwise convolutions cannot pool.
    """
    cdef Py_ssize_t shape[4]
    cdef Py_ssize_t kernel[4]
    cdef const char *px = address_of_4d(x, shape)
    cdef const char *pw = address_of_4d(weight, kernel)
    cdef const char *pb = NULL if bias is None else address(bias)
    cdef char *py = address(y)
    cdef char *won = NULL if winners is None else address(winners)
    cdef bint is_double = x.itemsize == sizeof(double)
    cdef Convolution c = convolution(shape, kernel, out_height, out_width, stride_h, stride_w, top,
                                     left, dilation_h, dilation_w, groups)
    with nogil:
        if is_double:
            forward_pass(family, &c, <const double *>px, <const double *>pw, <const double *>pb,
                         <double *>py, <unsigned char *>won, relu, pool, threads)
        else:
            forward_pass(family, &c, <const float *>px, <const float *>pw, <const float *>pb,
                         <float *>py, <unsigned char *>won, relu, pool, threads)


cdef int forward_pass(int family, const Convolution *c, const real *x, const real *weight,
                      const real *bias, real *y, unsigned char *winners, bint relu, bint pool,
                      int threads) except -1 nogil:
    if family == STRIPS_WINOGRAD:
        return strips_winograd_forward(c, x, weight, bias, y, winners, relu, pool, threads)
    if family == WINOGRAD:
        return winograd_forward(c, x, weight, bias, y, winners, relu, pool, threads)
    if family == STRIPS:
        return strips_forward(c, x, weight, bias, y, winners, relu, pool, threads)
    return direct_forward(c, x, weight, bias, y, winners, relu, pool, threads)


def input_gradient(int family, dy, winners, weight, dx, positive, Py_ssize_t out_height,
                   Py_ssize_t out_width, Py_ssize_t stride_h, Py_ssize_t stride_w, Py_ssize_t top,
                   Py_ssize_t left, Py_ssize_t dilation_h, Py_ssize_t dilation_w,
                   Py_ssize_t groups, int threads):
    """dx from dy and weight; shapes and the other arguments as for :func:`forward`.

    With `winners`, dy is the gradient behind the 2 x 2 max-pool that made them: which the family
    DIRECT cannot take, and WINOGRAD only where K is whole vectors. Where `positive`, of dx's shape,
    is not None and not above 0, dx is 0: the backward pass of a ReLU that made `positive`.
    """
    cdef Py_ssize_t shape[4]
    cdef Py_ssize_t kernel[4]
    cdef const char *pdy = address(dy)
    cdef const char *won = NULL if winners is None else address(winners)
    cdef const char *pw = address_of_4d(weight, kernel)
    cdef char *pdx = address_of_4d(dx, shape)
    cdef const char *mask = NULL if positive is None else address(positive)
    cdef bint is_double = dy.itemsize == sizeof(double)
    cdef Convolution c = convolution(shape, kernel, out_height, out_width, stride_h, stride_w, top,
                                     left, dilation_h, dilation_w, groups)
    with nogil:
        if is_double:
            input_gradient_pass(family, &c, <const double *>pdy, <const unsigned char *>won,
                                <const double *>pw, <double *>pdx, <const double *>mask, threads)
        else:
            input_gradient_pass(family, &c, <const float *>pdy, <const unsigned char *>won,
                                <const float *>pw, <float *>pdx, <const float *>mask, threads)


cdef int input_gradient_pass(int family, const Convolution *c, const real *dy,
                             const unsigned char *winners, const real *weight, real *dx,
                             const real *positive, int threads) except -1 nogil:
    if family == STRIPS_WINOGRAD:
        return strips_winograd_input_gradient(c, dy, winners, weight, dx, positive, threads)
    if family == WINOGRAD:
        return winograd_input_gradient(c, dy, winners, weight, dx, positive, threads)
    if family == STRIPS:
        return strips_input_gradient(c, dy, winners, weight, dx, positive, threads)
    return direct_input_gradient(c, dy, winners, weight, dx, positive, threads)


def weight_gradient(int family, x, dy, winners, dweight, dbias, Py_ssize_t out_height,
                    Py_ssize_t out_width, Py_ssize_t stride_h, Py_ssize_t stride_w, Py_ssize_t top,
                    Py_ssize_t left, Py_ssize_t dilation_h, Py_ssize_t dilation_w,
                    Py_ssize_t groups, int threads):
    """Fill dweight (K, C / groups, kH, kW), and dbias (K,) unless it is None.

    x is (N, H, W, C), dy (N, out_height, out_width, K), or with `winners` as for
    :func:`input_gradient`; the other arguments are those of :func:`forward`.
    """
    cdef Py_ssize_t shape[4]
    cdef Py_ssize_t kernel[4]
    cdef const char *px = address_of_4d(x, shape)
    cdef const char *pdy = address(dy)
    cdef const char *won = NULL if winners is None else address(winners)
    cdef char *pdw = address_of_4d(dweight, kernel)
    cdef char *pdb = NULL if dbias is None else address(dbias)
    cdef bint is_double = x.itemsize == sizeof(double)
    cdef Convolution c = convolution(shape, kernel, out_height, out_width, stride_h, stride_w, top,
                                     left, dilation_h, dilation_w, groups)
    with nogil:
        if is_double:
            weight_gradient_pass(family, &c, <const double *>px, <const double *>pdy,
                                 <const unsigned char *>won, <double *>pdw, <double *>pdb, threads)
        else:
            weight_gradient_pass(family, &c, <const float *>px, <const float *>pdy,
                                 <const unsigned char *>won, <float *>pdw, <float *>pdb, threads)


cdef int weight_gradient_pass(int family, const Convolution *c, const real *x, const real *dy,
                              const unsigned char *winners, real *dweight, real *dbias,
                              int threads) except -1 nogil:
    if family == STRIPS_WINOGRAD:
        return strips_winograd_weight_gradient(c, x, dy, winners, dweight, dbias, threads)
    if family == WINOGRAD:
        return winograd_weight_gradient(c, x, dy, winners, dweight, dbias, threads)
    if family == STRIPS:
        return strips_weight_gradient(c, x, dy, winners, dweight, dbias, threads)
    return direct_weight_gradient(c, x, dy, winners, dweight, dbias, threads)
