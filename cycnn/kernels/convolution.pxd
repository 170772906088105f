"""A convolution as its kernels are told of it.

All families of kernels (conv, strips, winograd, strips_winograd) have the same three passes, as C
functions on plain addresses that need no GIL: `api.pyx` calls them, and so does the `def` beside
each, which is what Python calls. Images are (N, H, W, C) without gaps, weights (K, C / groups, kH,
kW). Work memory is theirs to find: without it they return -1 with a MemoryError.
"""


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
