"""One chunk of a normalisation: the loops of `norm.h` over it, and how arrays are divided."""

from .tile cimport lanes_of, real

cdef extern from "norm.h" nogil:
    enum:
        NORM_VECTORS
        NORM_STRETCH
        NORM_CENTER
        NORM_SCALE
        NORM_SHIFT
        NORM_SLOPE
        NORM_OFFSET
        NORM_TERMS
    void norm_totals_float(const float *x, Py_ssize_t n, Py_ssize_t width, double *sums) noexcept
    void norm_totals_double(const double *x, Py_ssize_t n, Py_ssize_t width,
                            double *sums) noexcept
    void norm_moments_float(const float *x, Py_ssize_t n, Py_ssize_t width, const float *center,
                            double *sums, double *squares) noexcept
    void norm_moments_double(const double *x, Py_ssize_t n, Py_ssize_t width, const double *center,
                             double *sums, double *squares) noexcept
    void norm_scale_float(const float *x, const float *other, float *y, Py_ssize_t n,
                          Py_ssize_t width, const float *terms, int relu) noexcept
    void norm_scale_double(const double *x, const double *other, double *y, Py_ssize_t n,
                           Py_ssize_t width, const double *terms, int relu) noexcept
    void norm_products_float(const float *dy, const float *x, Py_ssize_t n, Py_ssize_t width,
                             const float *terms, double *sums, double *products,
                             int relu) noexcept
    void norm_products_double(const double *dy, const double *x, Py_ssize_t n, Py_ssize_t width,
                              const double *terms, double *sums, double *products,
                              int relu) noexcept
    void norm_gradient_float(const float *dy, const float *x, float *dx, Py_ssize_t n,
                             Py_ssize_t width, const float *terms, int relu, int given) noexcept
    void norm_gradient_double(const double *dy, const double *x, double *dx, Py_ssize_t n,
                              Py_ssize_t width, const double *terms, int relu, int given) noexcept

cdef enum:
    CHUNK = 8192        # numbers of a chunk: what stays in the first-level cache
    LEAST_ROWS = 16     # of a chunk, for each has sums of its own to be put together
    SUMS = 2            # what is kept of each channel of a chunk
    WORK = 3            # widths of double that a thread needs besides

cdef struct Shape:
    Py_ssize_t images
    Py_ssize_t rows
    Py_ssize_t channels
    Py_ssize_t groups
    Py_ssize_t width        # numbers that the loops take side by side: whole rows, whole vectors
    Py_ssize_t chunk        # numbers of a chunk
    Py_ssize_t chunks       # of an image


cdef inline Shape shape_of(const real *kind, Py_ssize_t images, Py_ssize_t rows,
                           Py_ssize_t channels, Py_ssize_t groups) noexcept nogil:
    cdef Shape s
    cdef Py_ssize_t lanes = lanes_of(kind), least = NORM_VECTORS * lanes
    s.images, s.rows, s.channels, s.groups = images, rows, channels, groups
    s.width = channels
    while s.width % lanes:
        s.width += channels
    if s.width < least:
        s.width = least // s.width * s.width
    # In whole widths, so that only the last of an image is shorter.
    s.chunk = max(CHUNK, LEAST_ROWS * channels) // s.width * s.width
    s.chunks = (rows * channels + s.chunk - 1) // s.chunk
    return s


cdef inline Py_ssize_t start_of(const Shape *s, Py_ssize_t task) noexcept nogil:
    """Where the chunk of a task begins."""
    return task // s.chunks * s.rows * s.channels + task % s.chunks * s.chunk


cdef inline Py_ssize_t length_of(const Shape *s, Py_ssize_t chunk) noexcept nogil:
    """How many numbers the chunk of an image has: the last may have fewer."""
    return min(s.chunk, s.rows * s.channels - chunk * s.chunk)


cdef inline void clear(double *sums, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(n):
        sums[j] = 0


cdef inline void add_rows(const Shape *s, const double *sums, double *to) noexcept nogil:
    """Each channel's sum, from those of the columns that are its own."""
    cdef Py_ssize_t row, j
    for j in range(s.channels):
        to[j] = sums[j]
    for row in range(1, s.width // s.channels):
        for j in range(s.channels):
            to[j] += sums[row * s.channels + j]


cdef inline void repeat(const Shape *s, real *of_channels) noexcept nogil:
    """What each channel has, for all columns."""
    cdef Py_ssize_t j
    for j in range(s.channels, s.width):
        of_channels[j] = of_channels[j - s.channels]


cdef inline void totals_chunk(const Shape *s, const real *x, double *sums, double *work,
                              Py_ssize_t task) noexcept nogil:
    """Each channel's sum, in `sums` of this chunk."""
    clear(work, s.width)
    add_totals(s, x + start_of(s, task), length_of(s, task % s.chunks), work)
    add_rows(s, work, sums + task * SUMS * s.channels)


cdef inline void add_totals(const Shape *s, const real *x, Py_ssize_t n,
                            double *sums) noexcept nogil:
    if real is float:
        norm_totals_float(x, n, s.width, sums)
    else:
        norm_totals_double(x, n, s.width, sums)


cdef inline void moments_chunk(const Shape *s, const real *x, double *sums, double *work,
                               Py_ssize_t task) noexcept nogil:
    """Each channel's mean, and its sum of squared distances from that, in `sums` of this chunk.

    The distances are taken from the mean of the chunk's first m numbers, of n. They are at most
    1 + n / m times as large, in the mean of their squares, so that few digits are lost.
    """
    cdef Py_ssize_t n = length_of(s, task % s.chunks), first = min(n, NORM_STRETCH * s.width), j
    cdef double *squares = work + s.width
    cdef real *center = <real *>(squares + s.width)
    cdef double *mean = sums + task * SUMS * s.channels
    cdef double *of_mean = mean + s.channels
    cdef double rows = n // s.channels
    x += start_of(s, task)
    clear(work, 2 * s.width)
    add_totals(s, x, first, work)
    add_rows(s, work, mean)
    for j in range(s.channels):
        center[j] = <real>(mean[j] / (first // s.channels))
    repeat(s, center)
    clear(work, s.width)
    if real is float:
        norm_moments_float(x, n, s.width, center, work, squares)
    else:
        norm_moments_double(x, n, s.width, center, work, squares)
    add_rows(s, work, mean)
    add_rows(s, squares, of_mean)
    for j in range(s.channels):         # from the center to the mean itself
        of_mean[j] -= mean[j] * mean[j] / rows
        if of_mean[j] < 0:              # by rounding; not so if it is NaN
            of_mean[j] = 0
        mean[j] = center[j] + mean[j] / rows


cdef inline void scale_chunk(const Shape *s, const real *x, const real *other, real *y,
                             const real *terms, bint relu, Py_ssize_t task) noexcept nogil:
    """y = (x - center) * scale + shift, + other if any, then ReLU if wanted; NaN stays NaN."""
    cdef Py_ssize_t start = start_of(s, task), n = length_of(s, task % s.chunks)
    terms += task // s.chunks * NORM_TERMS * s.width
    if other:
        other += start
    if real is float:
        norm_scale_float(x + start, other, y + start, n, s.width, terms, relu)
    else:
        norm_scale_double(x + start, other, y + start, n, s.width, terms, relu)


cdef inline void products_chunk(const Shape *s, const real *dy, const real *x, const real *terms,
                                double *sums, double *work, bint relu,
                                Py_ssize_t task) noexcept nogil:
    """Each channel's sum of dy, and of dy * (x - center), in `sums` of this chunk."""
    cdef Py_ssize_t start = start_of(s, task), n = length_of(s, task % s.chunks)
    cdef double *products = work + s.width
    terms += task // s.chunks * NORM_TERMS * s.width
    clear(work, 2 * s.width)
    if real is float:
        norm_products_float(dy + start, x + start, n, s.width, terms, work, products, relu)
    else:
        norm_products_double(dy + start, x + start, n, s.width, terms, work, products, relu)
    add_rows(s, work, sums + task * SUMS * s.channels)
    add_rows(s, products, sums + (task * SUMS + 1) * s.channels)


cdef inline void gradient_chunk(const Shape *s, const real *dy, const real *x, real *dx,
                                const real *terms, bint relu, bint given,
                                Py_ssize_t task) noexcept nogil:
    """dx = dy * scale + (x - center) * slope + offset; dy * scale with `given` statistics."""
    cdef Py_ssize_t start = start_of(s, task), n = length_of(s, task % s.chunks)
    terms += task // s.chunks * NORM_TERMS * s.width
    if real is float:
        norm_gradient_float(dy + start, x + start, dx + start, n, s.width, terms, relu, given)
    else:
        norm_gradient_double(dy + start, x + start, dx + start, n, s.width, terms, relu, given)
