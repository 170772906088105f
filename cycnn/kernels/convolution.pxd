"""A convolution as its kernels are told of it, and its three passes.

All families of kernels have the same three passes, as C functions on plain addresses that need no
GIL; those below call the one or the other. Images are (N, H, W, C) without gaps, weights
(K, C / groups, kH, kW). Work memory is theirs to find: without it they return -1 with a
MemoryError. Which families can do a convolution, and which is the fastest, is decided in
`functional/_algorithm.py`.
"""

from .tile cimport real

# The families, by number: `conv.pyx`, which can do all convolutions, and the others; each with the
# `..._weight.pyx` beside it.
cpdef enum:
    DIRECT
    STRIPS
    WINOGRAD
    STRIPS_WINOGRAD

cdef struct Convolution:
    Py_ssize_t n
    Py_ssize_t height           # of x
    Py_ssize_t width
    Py_ssize_t channels
    Py_ssize_t out_height       # of y, before a pool
    Py_ssize_t out_width
    Py_ssize_t out_channels
    Py_ssize_t kernel_h
    Py_ssize_t kernel_w
    Py_ssize_t stride_h
    Py_ssize_t stride_w
    Py_ssize_t top              # zeros before the first row of x
    Py_ssize_t left
    Py_ssize_t dilation_h
    Py_ssize_t dilation_w
    Py_ssize_t groups


cdef inline Convolution convolution(const Py_ssize_t *x, const Py_ssize_t *kernel,
                                    Py_ssize_t out_height, Py_ssize_t out_width,
                                    Py_ssize_t stride_h, Py_ssize_t stride_w, Py_ssize_t top,
                                    Py_ssize_t left, Py_ssize_t dilation_h, Py_ssize_t dilation_w,
                                    Py_ssize_t groups) noexcept nogil:
    """From the shapes of x (N, H, W, C) and of the weight."""
    cdef Convolution c
    c.n, c.height, c.width, c.channels = x[0], x[1], x[2], x[3]
    c.out_height, c.out_width, c.out_channels = out_height, out_width, kernel[0]
    c.kernel_h, c.kernel_w = kernel[2], kernel[3]
    c.stride_h, c.stride_w, c.top, c.left = stride_h, stride_w, top, left
    c.dilation_h, c.dilation_w, c.groups = dilation_h, dilation_w, groups
    return c


# What `winners` and `positive` are, and what may be NULL, stands in `convolution.pyx` beside the
# functions that Python calls.
cdef int forward_pass(int family, const Convolution *c, const real *x, const real *weight,
                      const real *bias, real *y, unsigned char *winners, bint relu, bint pool,
                      int threads) except -1 nogil
cdef int input_gradient_pass(int family, const Convolution *c, const real *dy,
                             const unsigned char *winners, const real *weight, real *dx,
                             const real *positive, int threads) except -1 nogil
cdef int weight_gradient_pass(int family, const Convolution *c, const real *x, const real *dy,
                              const unsigned char *winners, real *dweight, real *dbias,
                              int threads) except -1 nogil
