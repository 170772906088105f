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


# What is the same for all images of a batch.
cdef struct Gather:
    const char *images
    const long long *indices
    const char *mean
    const char *scale
    char *batch
    Py_ssize_t size
    Py_ssize_t pixels
    Py_ssize_t channels
    int image_item              # bytes of a number: 1 is unsigned char, else float or double
    int item                    # the same of mean, scale and batch
    bint channels_last


def gather(images, indices, mean, scale, batch, Py_ssize_t size, Py_ssize_t pixels,
           Py_ssize_t channels, bint channels_last, int threads):
    """batch[b, p, c] = (image indices[b] at pixel p, channel c - mean[c]) * scale[c].

    Of `size` images, in C order: pixels by channels if `channels_last`, else channels by pixels.
    They are unsigned char, float or double, the rest float or double, the indices int64.
    """
    cdef Gather call
    cdef Py_ssize_t b
    call.images, call.mean, call.scale = address(images), address(mean), address(scale)
    call.indices, call.batch = <const long long *>address(indices), address(batch)
    call.size, call.pixels, call.channels = size, pixels, channels
    call.image_item, call.item, call.channels_last = images.itemsize, batch.itemsize, channels_last
    with nogil:
        if threads == 1:
            for b in range(size):
                gather_image(&call, b)
        else:
            for b in prange(size, num_threads=threads, schedule="static"):
                gather_image(&call, b)


cdef void gather_image(const Gather *call, Py_ssize_t b) noexcept nogil:
    cdef Py_ssize_t numbers = call.pixels * call.channels
    cdef Py_ssize_t bytes_of_one = numbers * call.image_item
    cdef const char *x = call.images + call.indices[b] * bytes_of_one
    cdef char *y = call.batch + b * numbers * call.item
    send_for(call.images + call.indices[min(b + AHEAD, call.size - 1)] * bytes_of_one,
             bytes_of_one)
    if call.item == sizeof(float):
        normalise_any(call, x, <float *>y, <const float *>call.mean, <const float *>call.scale)
    else:
        normalise_any(call, x, <double *>y, <const double *>call.mean, <const double *>call.scale)


cdef inline void send_for(const char *first, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t line
    for line in range(min(size, <Py_ssize_t>AHEAD_BYTES) // CACHE_LINE):
        PREFETCH(first + line * CACHE_LINE)


cdef inline void normalise_any(const Gather *call, const char *x, real *y, const real *mean,
                               const real *scale) noexcept nogil:
    if call.image_item == 1:
        normalise(<const unsigned char *>x, y, mean, scale, call.pixels, call.channels,
                  call.channels_last)
    elif call.image_item == sizeof(float):
        normalise(<const float *>x, y, mean, scale, call.pixels, call.channels,
                  call.channels_last)
    else:
        normalise(<const double *>x, y, mean, scale, call.pixels, call.channels,
                  call.channels_last)


cdef inline void normalise(const pixel *x, real *y, const real *mean, const real *scale,
                           Py_ssize_t pixels, Py_ssize_t channels,
                           bint channels_last) noexcept nogil:
    """Image y from image x."""
    cdef Py_ssize_t p, c
    cdef real m, s
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
