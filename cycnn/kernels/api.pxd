"""Convolution and max-pooling for other people's Cython and C: see docs/embedding.md.

Everything is on plain addresses and needs no GIL, but for the two `..._plan` functions, which take
it for some microseconds. The kernels behind these functions are those of the instruction set that
was chosen when cycnn was imported.

Arrays lie without gaps, aligned as C wants its floats and doubles, and do not overlap:

    images x, dx        (n, height, width, channels)
    y, dy               (n, out_height, out_width, out_channels)
    weight, dweight     (out_channels, channels / groups, kernel_h, kernel_w), as PyTorch's
    bias, dbias         (out_channels,)

`threads` is how many to use at most, up to 1024; 0 leaves it to cycnn, which keeps small work on
one. It changes no bit of a result. A process forked from one with threads has one.

The functions that return an int return 0, or -1 with a Python exception set: ValueError for what
they should not have been given, MemoryError where there is none to work in. Cython hands it on.

What stands here stays: names, signatures and the layout of the structs. What comes later takes from
`reserved`, which the functions `conv2d` and `max_pool2d` set to zero.
"""

cdef enum:
    # For algorithm, as cycnn.functional.conv2d's "auto", "direct" and "winograd".
    CONV2D_AUTO = 0
    CONV2D_DIRECT = 1
    CONV2D_WINOGRAD = 2


# A convolution. conv2d() makes one, whose options may be changed until conv2d_plan() has looked at
# it; then it serves any number of calls, from any number of threads.
cdef struct Conv2d:
    Py_ssize_t n
    Py_ssize_t channels         # of x
    Py_ssize_t height
    Py_ssize_t width
    Py_ssize_t out_channels
    Py_ssize_t kernel_h
    Py_ssize_t kernel_w
    Py_ssize_t stride_h         # 1
    Py_ssize_t stride_w
    Py_ssize_t padding_h        # 0: zeros above, and as many below
    Py_ssize_t padding_w
    Py_ssize_t dilation_h       # 1
    Py_ssize_t dilation_w
    Py_ssize_t groups           # 1
    Py_ssize_t algorithm        # CONV2D_AUTO
    # What conv2d_plan() fills in:
    Py_ssize_t out_height       # of y
    Py_ssize_t out_width
    Py_ssize_t kernels[6]       # of each pass, for float and for double
    Py_ssize_t seal             # of all that stands before it
    Py_ssize_t reserved[8]


# The convolution of these sizes with the options at their defaults.
cdef Conv2d conv2d(Py_ssize_t n, Py_ssize_t channels, Py_ssize_t height, Py_ssize_t width,
                   Py_ssize_t out_channels, Py_ssize_t kernel_h,
                   Py_ssize_t kernel_w) noexcept nogil

# Checks it, and decides how each pass is done: as cycnn.functional.conv2d does.
cdef int conv2d_plan(Conv2d *conv) except -1 nogil

# y; bias may be NULL.
cdef int conv2d_forward_f32(const Conv2d *conv, const float *x, const float *weight,
                            const float *bias, float *y, int threads) except -1 nogil
cdef int conv2d_forward_f64(const Conv2d *conv, const double *x, const double *weight,
                            const double *bias, double *y, int threads) except -1 nogil

# The gradients that are not NULL: dx from dy and weight; dweight, and with it dbias, from dy and x.
cdef int conv2d_backward_f32(const Conv2d *conv, const float *dy, const float *x,
                             const float *weight, float *dx, float *dweight, float *dbias,
                             int threads) except -1 nogil
cdef int conv2d_backward_f64(const Conv2d *conv, const double *dy, const double *x,
                             const double *weight, double *dx, double *dweight, double *dbias,
                             int threads) except -1 nogil


# A maximum over windows; channels and n of y are those of x.
cdef struct MaxPool2d:
    Py_ssize_t n
    Py_ssize_t channels
    Py_ssize_t height           # of x
    Py_ssize_t width
    Py_ssize_t kernel_h
    Py_ssize_t kernel_w
    Py_ssize_t stride_h         # kernel_h
    Py_ssize_t stride_w         # kernel_w
    Py_ssize_t padding_h        # 0, of minus infinity
    Py_ssize_t padding_w
    Py_ssize_t dilation_h       # 1
    Py_ssize_t dilation_w
    Py_ssize_t ceil_mode        # 0
    # What max_pool2d_plan() fills in:
    Py_ssize_t out_height
    Py_ssize_t out_width
    Py_ssize_t winner_size      # bytes of a winner: 1, for windows of more than 255 pixels 4
    Py_ssize_t seal
    Py_ssize_t reserved[8]


# The pool of these sizes with windows side by side.
cdef MaxPool2d max_pool2d(Py_ssize_t n, Py_ssize_t channels, Py_ssize_t height, Py_ssize_t width,
                          Py_ssize_t kernel_h, Py_ssize_t kernel_w) noexcept nogil

cdef int max_pool2d_plan(MaxPool2d *pool) except -1 nogil

# y, and unless it is NULL winners, of y's shape: which pixel of its window won, row by row, as an
# unsigned char (an int, if winner_size is 4).
cdef int max_pool2d_forward_f32(const MaxPool2d *pool, const float *x, float *y, void *winners,
                                int threads) except -1 nogil
cdef int max_pool2d_forward_f64(const MaxPool2d *pool, const double *x, double *y, void *winners,
                                int threads) except -1 nogil

# dx; winners are trusted to be those that the forward pass wrote.
cdef int max_pool2d_backward_f32(const MaxPool2d *pool, const float *dy, const void *winners,
                                 float *dx, int threads) except -1 nogil
cdef int max_pool2d_backward_f64(const MaxPool2d *pool, const double *dy, const void *winners,
                                 double *dx, int threads) except -1 nogil
