"""One chunk of a normalisation: the loops of `norm.pyx` over numbers, and how they are divided."""

from .tile cimport real

cdef enum:
    CHUNK = 8192        # numbers of a chunk: what stays in the first-level cache
    LEAST_ROWS = 16     # of a chunk, for each has sums of its own to be put together
    WIDTH = 256         # numbers that a loop should have
    STEPS = 8           # whose sums may be in x's type before they go to those in double
    SUMS = 4            # widths of double that a chunk has: two sums, and room to work in
    TERMS = 5           # what is kept for each channel, under the names below

cdef struct Shape:
    Py_ssize_t images
    Py_ssize_t rows
    Py_ssize_t channels
    Py_ssize_t groups
    Py_ssize_t width
    Py_ssize_t chunk        # numbers of a chunk
    Py_ssize_t chunks       # of an image

# y = (x - center) * scale + shift;  dx = dy * scale + (x - center) * slope + offset.
# `center` is the mean as x's type has it, and what that leaves of it is in `shift` and `offset`.
cdef enum:
    CENTER
    SCALE
    SHIFT
    SLOPE
    OFFSET


cdef inline Shape shape_of(Py_ssize_t images, Py_ssize_t rows, Py_ssize_t channels,
                           Py_ssize_t groups) noexcept nogil:
    cdef Shape s
    s.images, s.rows, s.channels, s.groups = images, rows, channels, groups
    s.width = channels * min(rows, (WIDTH + channels - 1) // channels)
    # In whole widths, so that only the last step of an image is shorter.
    s.chunk = max(CHUNK, LEAST_ROWS * channels) // s.width * s.width
    s.chunks = (rows * channels + s.chunk - 1) // s.chunk
    return s


cdef inline Py_ssize_t steps_of(const Shape *s, Py_ssize_t length) noexcept nogil:
    """How many loops of `width` numbers so many take; only the last may be shorter."""
    return (length + s.width - 1) // s.width


cdef inline Py_ssize_t length_of(const Shape *s, Py_ssize_t chunk) noexcept nogil:
    """How many numbers the chunk of an image has: the last may have fewer."""
    return min(s.chunk, s.rows * s.channels - chunk * s.chunk)


cdef inline void add_chunk(const Shape *s, const real *x, Py_ssize_t length,
                           double *sums) noexcept nogil:
    """The sum of each channel, in the first places of `sums`, which has `width`."""
    cdef Py_ssize_t step, j
    for j in range(s.width):
        sums[j] = 0
    for step in range(steps_of(s, length)):
        for j in range(min(s.width, length - step * s.width)):
            sums[j] += x[j]
        x += s.width
    add_rows(s, sums)


cdef inline void add_rows(const Shape *s, double *sums) noexcept nogil:
    """Add up what several rows have for the same channel."""
    cdef Py_ssize_t row, j
    for row in range(1, s.width // s.channels):
        for j in range(s.channels):
            sums[j] += sums[row * s.channels + j]


cdef inline void moments_chunk(const Shape *s, const real *x, double *sums,
                               Py_ssize_t task) noexcept nogil:
    """Each channel's mean, and its sum of squared distances from that, in `sums` of this chunk."""
    cdef Py_ssize_t image = task // s.chunks, chunk = task % s.chunks, step, j
    cdef Py_ssize_t length = length_of(s, chunk), n
    cdef double *mean = sums + task * SUMS * s.width
    cdef double *squares = mean + s.width
    cdef real *center = <real *>(squares + s.width)
    cdef real *part = center + s.width
    cdef real d
    cdef double rows = length // s.channels, left
    x += image * s.rows * s.channels + chunk * s.chunk
    add_chunk(s, x, length, mean)
    for j in range(s.channels):
        mean[j] = mean[j] / rows
        center[j] = <real>mean[j]
    for j in range(s.channels, s.width):
        center[j] = center[j - s.channels]
    for j in range(s.width):
        squares[j] = 0
        part[j] = 0
    for step in range(steps_of(s, length)):
        n = min(s.width, length - step * s.width)
        for j in range(n):
            d = x[j] - center[j]
            part[j] += d * d
        x += s.width
        if step % STEPS == STEPS - 1:
            move(squares, part, s.width)
    move(squares, part, s.width)
    add_rows(s, squares)
    for j in range(s.channels):         # from the center to the mean itself
        left = mean[j] - center[j]
        squares[j] -= rows * left * left


cdef inline void move(double *sums, real *part, Py_ssize_t n) noexcept nogil:
    """Add `part` to the sums, and begin with it anew."""
    cdef Py_ssize_t j
    for j in range(n):
        sums[j] += part[j]
        part[j] = 0


cdef inline void scale_chunk(const Shape *s, const real *x, real *y, const real *terms, bint relu,
                             Py_ssize_t task) noexcept nogil:
    """y = (x - center) * scale + shift, then ReLU if wanted; NaN stays NaN."""
    cdef Py_ssize_t image = task // s.chunks, chunk = task % s.chunks, step, j
    cdef Py_ssize_t length = length_of(s, chunk), first = image * s.rows * s.channels
    cdef const real *center = terms + image * TERMS * s.width
    cdef const real *scale = center + SCALE * s.width
    cdef const real *shift = center + SHIFT * s.width
    cdef real v
    x, y = x + first + chunk * s.chunk, y + first + chunk * s.chunk
    for step in range(steps_of(s, length)):
        if relu:
            for j in range(min(s.width, length - step * s.width)):
                v = (x[j] - center[j]) * scale[j] + shift[j]
                y[j] = <real>0 if v <= <real>0 else v
        else:
            for j in range(min(s.width, length - step * s.width)):
                y[j] = (x[j] - center[j]) * scale[j] + shift[j]
        x, y = x + s.width, y + s.width


cdef inline real masked(real g, real x, real center, real scale, real shift) noexcept nogil:
    """g, or 0 where the ReLU's result was 0."""
    return <real>0 if (x - center) * scale + shift <= <real>0 else g


cdef inline void products_chunk(const Shape *s, const real *dy, const real *x, const real *terms,
                                double *sums, bint relu, Py_ssize_t task) noexcept nogil:
    """Each channel's sum of dy, and of dy * (x - center), in `sums` of this chunk."""
    cdef Py_ssize_t image = task // s.chunks, chunk = task % s.chunks, step, j
    cdef Py_ssize_t length = length_of(s, chunk), first = image * s.rows * s.channels
    cdef const real *center = terms + image * TERMS * s.width
    cdef const real *scale = center + SCALE * s.width
    cdef const real *shift = center + SHIFT * s.width
    cdef double *total = sums + task * SUMS * s.width
    cdef double *products = total + s.width
    cdef real *part = <real *>(products + s.width)
    cdef real *part_of_products = part + s.width
    cdef real g
    cdef Py_ssize_t n
    x, dy = x + first + chunk * s.chunk, dy + first + chunk * s.chunk
    for j in range(s.width):
        total[j] = products[j] = 0
        part[j] = part_of_products[j] = 0
    for step in range(steps_of(s, length)):
        n = min(s.width, length - step * s.width)
        if relu:
            for j in range(n):
                g = masked(dy[j], x[j], center[j], scale[j], shift[j])
                part[j] += g
                part_of_products[j] += g * (x[j] - center[j])
        else:
            for j in range(n):
                g = dy[j]
                part[j] += g
                part_of_products[j] += g * (x[j] - center[j])
        x, dy = x + s.width, dy + s.width
        if step % STEPS == STEPS - 1:
            move(total, part, s.width)
            move(products, part_of_products, s.width)
    move(total, part, s.width)
    move(products, part_of_products, s.width)
    add_rows(s, total)
    add_rows(s, products)


cdef inline void gradient_chunk(const Shape *s, const real *dy, const real *x, real *dx,
                                const real *terms, bint relu, Py_ssize_t task) noexcept nogil:
    """dx = dy * scale + (x - center) * slope + offset."""
    cdef Py_ssize_t image = task // s.chunks, chunk = task % s.chunks, step, j
    cdef Py_ssize_t length = length_of(s, chunk), first = image * s.rows * s.channels
    cdef const real *center = terms + image * TERMS * s.width
    cdef const real *scale = center + SCALE * s.width
    cdef const real *shift = center + SHIFT * s.width
    cdef const real *slope = center + SLOPE * s.width
    cdef const real *offset = center + OFFSET * s.width
    first += chunk * s.chunk
    x, dy, dx = x + first, dy + first, dx + first
    for step in range(steps_of(s, length)):
        if relu:
            for j in range(min(s.width, length - step * s.width)):
                dx[j] = (masked(dy[j], x[j], center[j], scale[j], shift[j]) * scale[j]
                         + ((x[j] - center[j]) * slope[j] + offset[j]))
        else:
            for j in range(min(s.width, length - step * s.width)):
                dx[j] = dy[j] * scale[j] + ((x[j] - center[j]) * slope[j] + offset[j])
        x, dy, dx = x + s.width, dy + s.width, dx + s.width
