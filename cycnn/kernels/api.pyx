"""Convolution and max-pooling for other people's Cython and C: `api.pxd` says what there is.

Built once. How a convolution is done is decided by the rules that `cycnn.functional` has left in
`kernels.rules`: once, in the plan.
"""

from libc.string cimport memset

from . import rules
from .convolution cimport Convolution, forward_pass, input_gradient_pass, weight_gradient_pass
from .cpu cimport threads_wanted
from .pool cimport max_pool_backward_pass, max_pool_pass
from .tile cimport real
from .windows cimport Window, lay_over

cdef enum:
    MOST_THREADS = 1024
    FORWARD = 0
    INPUT_GRADIENT = 1
    WEIGHT_GRADIENT = 2
    PASSES = 3


cdef int refuse(const char *message) except -1 nogil:
    with gil:
        raise ValueError(message.decode())


cdef Py_ssize_t seal_of(const void *first, const Py_ssize_t *seal) noexcept nogil:
    """A number that is another one when one of the numbers before `seal` is."""
    cdef const Py_ssize_t *fields = <const Py_ssize_t *>first
    cdef size_t sum = 2166136261
    while fields < seal:
        sum = (sum ^ <size_t>fields[0]) * 16777619
        fields += 1
    return <Py_ssize_t>sum


cdef int check_threads(int threads) except -1 nogil:
    if not 0 <= threads <= MOST_THREADS:
        refuse("threads must be from 0 (as many as cycnn takes) to 1024")
    return 0


# --- convolution -----------------------------------------------------------------------------

cdef Conv2d conv2d(Py_ssize_t n, Py_ssize_t channels, Py_ssize_t height, Py_ssize_t width,
                   Py_ssize_t out_channels, Py_ssize_t kernel_h,
                   Py_ssize_t kernel_w) noexcept nogil:
    cdef Conv2d conv
    memset(&conv, 0, sizeof(conv))
    conv.n, conv.channels, conv.height, conv.width = n, channels, height, width
    conv.out_channels, conv.kernel_h, conv.kernel_w = out_channels, kernel_h, kernel_w
    conv.stride_h = conv.stride_w = conv.dilation_h = conv.dilation_w = conv.groups = 1
    return conv


cdef int conv2d_plan(Conv2d *conv) except -1 nogil:
    with gil:
        conv.seal = 0
        out, kernels = rules["conv2d"](
            (conv.n, conv.channels, conv.height, conv.width), conv.out_channels,
            (conv.kernel_h, conv.kernel_w), (conv.stride_h, conv.stride_w),
            (conv.padding_h, conv.padding_w), (conv.dilation_h, conv.dilation_w), conv.groups,
            conv.algorithm)
        conv.out_height, conv.out_width = out
        for i in range(2 * PASSES):
            conv.kernels[i] = kernels[i]
    conv.seal = seal_of(conv, &conv.seal)
    return 0


cdef int check_conv2d(const Conv2d *conv, int threads) except -1 nogil:
    if not conv or conv.seal != seal_of(conv, &conv.seal):
        refuse("conv must come from conv2d(), then have been planned by conv2d_plan(), and not "
               "have been changed since")
    return check_threads(threads)


cdef Convolution convolution_of(const Conv2d *conv) noexcept nogil:
    cdef Convolution c
    c.n, c.height, c.width, c.channels = conv.n, conv.height, conv.width, conv.channels
    c.out_height, c.out_width = conv.out_height, conv.out_width
    c.out_channels, c.kernel_h, c.kernel_w = conv.out_channels, conv.kernel_h, conv.kernel_w
    c.stride_h, c.stride_w, c.top, c.left = (conv.stride_h, conv.stride_w, conv.padding_h,
                                             conv.padding_w)
    c.dilation_h, c.dilation_w, c.groups = conv.dilation_h, conv.dilation_w, conv.groups
    return c


cdef double work_of(const Conv2d *conv) noexcept nogil:
    """Multiply-adds of one pass."""
    return (<double>conv.n * conv.out_height * conv.out_width * conv.out_channels
            * (conv.channels // conv.groups) * conv.kernel_h * conv.kernel_w)


cdef int family_of(const Conv2d *conv, const real *kind, int which) noexcept nogil:
    return <int>conv.kernels[which if real is float else PASSES + which]


cdef int forward(const Conv2d *conv, const real *x, const real *weight, const real *bias, real *y,
                 int threads) except -1 nogil:
    check_conv2d(conv, threads)
    if not weight or conv.n and not (x and y):
        refuse("x, weight and y must not be NULL")
    if not conv.n:
        return 0
    cdef Convolution c = convolution_of(conv)
    return forward_pass(family_of(conv, x, FORWARD), &c, x, weight, bias, y, NULL, False, False,
                        threads_wanted(threads, work_of(conv)))


cdef int backward(const Conv2d *conv, const real *dy, const real *x, const real *weight, real *dx,
                  real *dweight, real *dbias, int threads) except -1 nogil:
    check_conv2d(conv, threads)
    if dbias and not dweight:
        refuse("dweight must not be NULL where dbias is not: both come from one pass")
    if dx and not weight:
        refuse("weight must not be NULL where dx is not")
    if conv.n and not dy or conv.n and dweight and not x:
        refuse("dy, and where dweight is not NULL also x, must not be NULL")
    cdef Py_ssize_t size = (conv.out_channels * (conv.channels // conv.groups) * conv.kernel_h
                            * conv.kernel_w)
    if not conv.n:      # every sum is empty
        if dweight:
            memset(dweight, 0, size * sizeof(real))
        if dbias:
            memset(dbias, 0, conv.out_channels * sizeof(real))
        return 0
    cdef Convolution c = convolution_of(conv)
    cdef const real *everywhere = NULL
    threads = threads_wanted(threads, work_of(conv))
    if dweight:
        weight_gradient_pass(family_of(conv, x, WEIGHT_GRADIENT), &c, x, dy, NULL, dweight, dbias,
                             threads)
    if dx:
        input_gradient_pass(family_of(conv, dy, INPUT_GRADIENT), &c, dy, NULL, weight, dx,
                            everywhere, threads)
    return 0


cdef int conv2d_forward_f32(const Conv2d *conv, const float *x, const float *weight,
                            const float *bias, float *y, int threads) except -1 nogil:
    return forward(conv, x, weight, bias, y, threads)


cdef int conv2d_forward_f64(const Conv2d *conv, const double *x, const double *weight,
                            const double *bias, double *y, int threads) except -1 nogil:
    return forward(conv, x, weight, bias, y, threads)


cdef int conv2d_backward_f32(const Conv2d *conv, const float *dy, const float *x,
                             const float *weight, float *dx, float *dweight, float *dbias,
                             int threads) except -1 nogil:
    return backward(conv, dy, x, weight, dx, dweight, dbias, threads)


cdef int conv2d_backward_f64(const Conv2d *conv, const double *dy, const double *x,
                             const double *weight, double *dx, double *dweight, double *dbias,
                             int threads) except -1 nogil:
    return backward(conv, dy, x, weight, dx, dweight, dbias, threads)


# --- max-pooling -----------------------------------------------------------------------------

cdef MaxPool2d max_pool2d(Py_ssize_t n, Py_ssize_t channels, Py_ssize_t height, Py_ssize_t width,
                          Py_ssize_t kernel_h, Py_ssize_t kernel_w) noexcept nogil:
    cdef MaxPool2d pool
    memset(&pool, 0, sizeof(pool))
    pool.n, pool.channels, pool.height, pool.width = n, channels, height, width
    pool.kernel_h, pool.kernel_w, pool.stride_h, pool.stride_w = (kernel_h, kernel_w, kernel_h,
                                                                  kernel_w)
    pool.dilation_h = pool.dilation_w = 1
    return pool


cdef int max_pool2d_plan(MaxPool2d *pool) except -1 nogil:
    with gil:
        pool.seal = 0
        out, pool.winner_size = rules["max_pool2d"](
            (pool.n, pool.channels, pool.height, pool.width), (pool.kernel_h, pool.kernel_w),
            (pool.stride_h, pool.stride_w), (pool.padding_h, pool.padding_w),
            (pool.dilation_h, pool.dilation_w), pool.ceil_mode)
        pool.out_height, pool.out_width = out
    pool.seal = seal_of(pool, &pool.seal)
    return 0


cdef int describe_pool(const MaxPool2d *pool, Window *w, int threads) except -1 nogil:
    if not pool or pool.seal != seal_of(pool, &pool.seal):
        refuse("pool must come from max_pool2d(), then have been planned by max_pool2d_plan(), and "
               "not have been changed since")
    w.kernel_h, w.kernel_w, w.stride_h, w.stride_w = (pool.kernel_h, pool.kernel_w, pool.stride_h,
                                                      pool.stride_w)
    w.pad_h, w.pad_w = pool.padding_h, pool.padding_w
    w.dilation_h, w.dilation_w = pool.dilation_h, pool.dilation_w
    lay_over(w, pool.height, pool.width, pool.out_height, pool.out_width, pool.channels)
    return check_threads(threads)


cdef int pool_threads(const MaxPool2d *pool, int threads) noexcept nogil:
    return threads_wanted(threads,
                          8. * pool.n * pool.channels * pool.height * pool.width)


cdef int pool_forward(const MaxPool2d *pool, const real *x, real *y, void *winners,
                      int threads) except -1 nogil:
    cdef Window w
    describe_pool(pool, &w, threads)
    if not pool.n:
        return 0
    if not (x and y):
        refuse("x and y must not be NULL")
    max_pool_pass(&w, x, y, winners, pool.n, pool_threads(pool, threads))
    return 0


cdef int pool_backward(const MaxPool2d *pool, const real *dy, const void *winners, real *dx,
                       int threads) except -1 nogil:
    cdef Window w
    describe_pool(pool, &w, threads)
    if not pool.n:
        return 0
    if not (dy and winners and dx):
        refuse("dy, winners and dx must not be NULL")
    max_pool_backward_pass(&w, dy, winners, dx, pool.n, pool_threads(pool, threads))
    return 0


cdef int max_pool2d_forward_f32(const MaxPool2d *pool, const float *x, float *y, void *winners,
                                int threads) except -1 nogil:
    return pool_forward(pool, x, y, winners, threads)


cdef int max_pool2d_forward_f64(const MaxPool2d *pool, const double *x, double *y, void *winners,
                                int threads) except -1 nogil:
    return pool_forward(pool, x, y, winners, threads)


cdef int max_pool2d_backward_f32(const MaxPool2d *pool, const float *dy, const void *winners,
                                 float *dx, int threads) except -1 nogil:
    return pool_backward(pool, dy, winners, dx, threads)


cdef int max_pool2d_backward_f64(const MaxPool2d *pool, const double *dy, const void *winners,
                                 double *dx, int threads) except -1 nogil:
    return pool_backward(pool, dy, winners, dx, threads)
