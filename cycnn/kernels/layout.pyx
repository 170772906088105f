"""Moving pixels: between memory formats, and from stored images into normalised batches."""

from cython.parallel cimport prange

from .buffers cimport CACHE_LINE, address

ctypedef fused real:
    float
    double

ctypedef fused pixel:
    unsigned char
    float
    double

cdef extern from "transpose.h":
    void f32_transpose(const float *x, Py_ssize_t x_row, Py_ssize_t rows, Py_ssize_t columns,
                       float *y, Py_ssize_t y_row, Py_ssize_t ahead) nogil
    void f64_transpose(const double *x, Py_ssize_t x_row, Py_ssize_t rows, Py_ssize_t columns,
                       double *y, Py_ssize_t y_row, Py_ssize_t ahead) nogil

cdef extern from "simd.h":
    void PREFETCH(const void *p) noexcept nogil

cdef enum:
    # The shortest piece of an image's longer axis that is worth a task of its own.
    PIECE = 256
    # Stored images lie anywhere in memory: so many of those to come are sent for, up to so many
    # bytes of each. What follows in a longer one the processor foresees.
    AHEAD = 4
    AHEAD_BYTES = 2048

# One thread runs the loops below without OpenMP: to open a parallel region of one thread costs as
# much as a small array.


def transpose(x, y, Py_ssize_t images, Py_ssize_t rows, Py_ssize_t columns, int threads):
    """y[n, j, i] = x[n, i, j]: with pixels as one axis, from channels first to last, and back.

    x and y are float or double arrays without gaps, of that many numbers.
    """
    # Threads share the images, or pieces of them where there are too few.
    cdef Py_ssize_t pieces = max(1, min((threads + images - 1) // images,
                                        max(rows, columns) // PIECE))
    cdef const char *px = address(x)
    cdef char *py = address(y)
    cdef bint is_double = x.itemsize == sizeof(double)
    cdef Py_ssize_t i
    with nogil:
        if threads == 1:
            for i in range(images * pieces):
                transpose_task(px, py, is_double, rows, columns, pieces, i, images)
        else:
            for i in prange(images * pieces, num_threads=threads, schedule="static"):
                transpose_task(px, py, is_double, rows, columns, pieces, i, images)


cdef void transpose_task(const char *x, char *y, bint is_double, Py_ssize_t rows,
                         Py_ssize_t columns, Py_ssize_t pieces, Py_ssize_t task,
                         Py_ssize_t images) noexcept nogil:
    if is_double:
        transpose_piece(<const double *>x, <double *>y, rows, columns, pieces, task, images)
    else:
        transpose_piece(<const float *>x, <float *>y, rows, columns, pieces, task, images)


cdef inline void transpose_piece(const real *x, real *y, Py_ssize_t rows, Py_ssize_t columns,
                                 Py_ssize_t pieces, Py_ssize_t task,
                                 Py_ssize_t images) noexcept nogil:
    """Of one image, the part of its longer axis that is `task`'s."""
    cdef Py_ssize_t image = task // pieces, piece = task % pieces
    cdef Py_ssize_t top = 0, bottom = rows, left = 0, right = columns
    # Whole images: the next one is sent for meanwhile. Pieces are few, and not worth it.
    cdef Py_ssize_t ahead = rows * columns if pieces == 1 and image + 1 < images else 0
    if rows > columns:
        top, bottom = rows * piece // pieces, rows * (piece + 1) // pieces
    else:
        left, right = columns * piece // pieces, columns * (piece + 1) // pieces
    x = x + image * rows * columns + top * columns + left
    y = y + image * rows * columns + left * rows + top
    if real is float:
        f32_transpose(x, columns, bottom - top, right - left, y, rows, ahead)
    else:
        f64_transpose(x, columns, bottom - top, right - left, y, rows, ahead)


def gather(const pixel[:, ::1] images, const long long[::1] indices, const real[::1] mean,
           const real[::1] scale, real[:, :, ::1] batch, bint channels_last, int threads):
    """batch[b, p, c] = (image indices[b] at pixel p, channel c - mean[c]) * scale[c].

    An image is one row of `images`: its pixels by channels if `channels_last`, else the reverse.
    """
    cdef Py_ssize_t size = batch.shape[0], pixels = batch.shape[1], channels = batch.shape[2], b
    cdef const pixel *source = &images[0, 0]
    cdef const long long *index = &indices[0]
    cdef const real *m = &mean[0]
    cdef const real *s = &scale[0]
    cdef real *y = &batch[0, 0, 0]
    with nogil:
        if threads == 1:
            for b in range(size):
                send_for(source, index[min(b + AHEAD, size - 1)], pixels * channels)
                normalise(source, index[b], y, b, m, s, pixels, channels, channels_last)
        else:
            for b in prange(size, num_threads=threads, schedule="static"):
                send_for(source, index[min(b + AHEAD, size - 1)], pixels * channels)
                normalise(source, index[b], y, b, m, s, pixels, channels, channels_last)


cdef inline void send_for(const pixel *x, Py_ssize_t image, Py_ssize_t numbers) noexcept nogil:
    cdef const char *first = <const char *>(x + image * numbers)
    cdef Py_ssize_t size = numbers * <Py_ssize_t>sizeof(pixel), line
    for line in range(min(size, <Py_ssize_t>AHEAD_BYTES) // CACHE_LINE):
        PREFETCH(first + line * CACHE_LINE)


cdef inline void normalise(const pixel *x, Py_ssize_t source, real *y, Py_ssize_t target,
                           const real *mean, const real *scale, Py_ssize_t pixels,
                           Py_ssize_t channels, bint channels_last) noexcept nogil:
    """Image y[target] from image x[source]."""
    cdef Py_ssize_t p, c
    cdef real m, s
    x, y = x + source * pixels * channels, y + target * pixels * channels
    if channels_last and channels > 1:
        for p in range(pixels):
            for c in range(channels):
                y[p * channels + c] = (<real>x[p * channels + c] - mean[c]) * scale[c]
    elif channels == 1:                 # so that the compiler knows that all lie side by side
        m, s = mean[0], scale[0]
        for p in range(pixels):
            y[p] = (<real>x[p] - m) * s
    else:
        for c in range(channels):
            m, s = mean[c], scale[c]
            for p in range(pixels):
                y[p * channels + c] = (<real>x[c * pixels + p] - m) * s


def first_outside(numbers, Py_ssize_t n, long long end):
    """The position of the first of n int64 that is not in 0 <= number < end; -1 if all are."""
    cdef const long long *p = <const long long *>address(numbers)
    cdef Py_ssize_t i, outside = 0
    with nogil:
        # Without a way out of the loop, so that the compiler vectorises it.
        for i in range(n):
            outside += <unsigned long long>p[i] >= <unsigned long long>end
        i = -1
        if outside:
            i = 0
            while 0 <= p[i] < end:
                i += 1
    return i
