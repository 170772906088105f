"""Stored images moved, turned and partly covered: what augmentation does to every pixel.

An image is `planes` x height x width x `inner` numbers, one of planes and inner being 1: channels
first (inner is 1) or channels last (planes is 1). Channel c lies in plane c or at inner position c,
so `fill`, one number a channel, is read at the sum of the two.
"""

from cython.parallel cimport prange
from libc.math cimport cos, floor, log, rint, sqrt
from libc.string cimport memcpy

cdef extern from *:
    """
    #include <stdint.h>
    """
    ctypedef unsigned long long uint64_t

ctypedef fused pixel:
    unsigned char
    float
    double

cdef struct Shape:
    Py_ssize_t planes
    Py_ssize_t height
    Py_ssize_t width
    Py_ssize_t inner
    Py_ssize_t out_height
    Py_ssize_t out_width

# One thread runs the loops below without OpenMP: to open a parallel region of one thread costs as
# much as a small batch.


def remap(const pixel[:, ::1] images, const long long[::1] indices, const int[:, ::1] rows,
          const int[:, ::1] columns, const pixel[::1] fill, pixel[:, ::1] batch, shape,
          int threads):
    """batch[b, y, x] = image indices[b] at (rows[b, y], columns[b, x]); `fill` where one is < 0."""
    cdef Shape s = shape
    cdef Py_ssize_t size = batch.shape[0], b
    cdef const pixel *source = &images[0, 0]
    cdef const long long *index = &indices[0]
    cdef const int *row = &rows[0, 0]
    cdef const int *column = &columns[0, 0]
    cdef const pixel *f = &fill[0]
    cdef pixel *y = &batch[0, 0]
    with nogil:
        if threads == 1:
            for b in range(size):
                remap_image(source, index[b], row, column, f, y, b, s)
        else:
            for b in prange(size, num_threads=threads, schedule="static"):
                remap_image(source, index[b], row, column, f, y, b, s)


cdef inline void remap_image(const pixel *x, Py_ssize_t source, const int *rows,
                             const int *columns, const pixel *fill, pixel *y, Py_ssize_t target,
                             Shape s) noexcept nogil:
    cdef Py_ssize_t first = 0, last = s.out_width, plane, r, c
    cdef int step = 1
    x = x + source * s.planes * s.height * s.width * s.inner
    y = y + target * s.planes * s.out_height * s.out_width * s.inner
    rows, columns = rows + target * s.out_height, columns + target * s.out_width
    # Mostly the columns within the image follow each other, forwards or (flipped) backwards: then
    # a row is one copy between two margins.
    while first < last and columns[first] < 0:
        first += 1
    while last > first and columns[last - 1] < 0:
        last -= 1
    if last - first > 1:
        step = columns[first + 1] - columns[first]
        for c in range(first + 1, last):
            if columns[c] - columns[c - 1] != step:
                step = 0
    for plane in range(s.planes):
        for r in range(s.out_height):
            if rows[r] < 0:
                fill_pixels(y, s.out_width, fill + plane, s.inner)
            else:
                remap_row(x + (plane * s.height + rows[r]) * s.width * s.inner, columns, first,
                          last, step, fill + plane, y, s)
            y += s.out_width * s.inner


cdef inline void remap_row(const pixel *x, const int *columns, Py_ssize_t first, Py_ssize_t last,
                           int step, const pixel *fill, pixel *y, Shape s) noexcept nogil:
    cdef Py_ssize_t c, q
    fill_pixels(y, first, fill, s.inner)
    fill_pixels(y + last * s.inner, s.out_width - last, fill, s.inner)
    if first == last:
        return
    if step == 1:
        memcpy(y + first * s.inner, x + columns[first] * s.inner,
               (last - first) * s.inner * sizeof(pixel))
    elif step == -1 and s.inner == 1:
        x = x + columns[first]
        for c in range(last - first):
            y[first + c] = x[-c]
    else:
        for c in range(first, last):
            if columns[c] < 0:
                fill_pixels(y + c * s.inner, 1, fill, s.inner)
            else:
                for q in range(s.inner):
                    y[c * s.inner + q] = x[columns[c] * s.inner + q]


cdef inline void fill_pixels(pixel *y, Py_ssize_t pixels, const pixel *fill,
                             Py_ssize_t inner) noexcept nogil:
    cdef Py_ssize_t i, q
    for i in range(pixels):
        for q in range(inner):
            y[i * inner + q] = fill[q]


def warp(const pixel[:, ::1] images, const double[:, ::1] matrices, const pixel[::1] fill,
         pixel[:, ::1] batch, shape, bint bilinear, int threads):
    """batch[b, y, x] = images[b] at (m[3] x + m[4] y + m[5], m[0] x + m[1] y + m[2]), a row and a
    column that need not be whole, with m = matrices[b]; outside the image all is `fill`."""
    cdef Shape s = shape
    cdef Py_ssize_t size = batch.shape[0], b
    cdef const pixel *source = &images[0, 0]
    cdef const double *m = &matrices[0, 0]
    cdef const pixel *f = &fill[0]
    cdef pixel *y = &batch[0, 0]
    with nogil:
        if threads == 1:
            for b in range(size):
                warp_image(source, m + 6 * b, f, y, b, s, bilinear)
        else:
            for b in prange(size, num_threads=threads, schedule="static"):
                warp_image(source, m + 6 * b, f, y, b, s, bilinear)


cdef inline void warp_image(const pixel *x, const double *m, const pixel *fill, pixel *y,
                            Py_ssize_t image, Shape s, bint bilinear) noexcept nogil:
    cdef Py_ssize_t r, c
    cdef double column, row
    x = x + image * s.planes * s.height * s.width * s.inner
    y = y + image * s.planes * s.out_height * s.out_width * s.inner
    for r in range(s.out_height):
        for c in range(s.out_width):
            column = m[0] * c + m[1] * r + m[2]
            row = m[3] * c + m[4] * r + m[5]
            if bilinear:
                between(x, row, column, fill, y + (r * s.out_width + c) * s.inner, s)
            else:
                nearest(x, rint(row), rint(column), fill, y + (r * s.out_width + c) * s.inner, s)


cdef inline void nearest(const pixel *x, double row, double column, const pixel *fill, pixel *y,
                         Shape s) noexcept nogil:
    """All channels of the pixel at a whole row and column."""
    cdef Py_ssize_t plane, q
    # Compared as they are: far outside they fit no integer.
    cdef bint inside = row >= 0 and row < s.height and column >= 0 and column < s.width
    for plane in range(s.planes):
        for q in range(s.inner):
            y[plane * s.out_height * s.out_width * s.inner + q] = (
                x[((plane * s.height + <Py_ssize_t>row) * s.width + <Py_ssize_t>column) * s.inner
                  + q] if inside else fill[plane + q])


cdef inline void between(const pixel *x, double row, double column, const pixel *fill, pixel *y,
                         Shape s) noexcept nogil:
    """All channels between the four pixels around a place."""
    cdef double top = floor(row), left = floor(column)
    cdef double down = row - top, right = column - left
    cdef Py_ssize_t plane, q, i, j, next_row = s.width * s.inner
    cdef pixel corner[4]
    cdef bint inside = top >= 0 and top < s.height - 1 and left >= 0 and left < s.width - 1
    cdef bint touching = top >= -1 and top < s.height and left >= -1 and left < s.width
    for plane in range(s.planes):
        for q in range(s.inner):
            if inside:
                i = (plane * s.height + <Py_ssize_t>top) * s.width + <Py_ssize_t>left
                i = i * s.inner + q
                y[q] = blend(x[i], x[i + s.inner], x[i + next_row], x[i + next_row + s.inner],
                             down, right)
            elif touching:
                for i in range(2):
                    for j in range(2):
                        corner[2 * i + j] = fill[plane + q]
                        if (0 <= <Py_ssize_t>top + i < s.height
                                and 0 <= <Py_ssize_t>left + j < s.width):
                            corner[2 * i + j] = x[((plane * s.height + <Py_ssize_t>top + i)
                                                   * s.width + <Py_ssize_t>left + j) * s.inner + q]
                y[q] = blend(corner[0], corner[1], corner[2], corner[3], down, right)
            else:
                y[q] = fill[plane + q]
        y += s.out_height * s.out_width * s.inner


cdef inline pixel blend(pixel a, pixel b, pixel c, pixel d, double down,
                        double right) noexcept nogil:
    """Of four pixels, two by two."""
    cdef double value = ((a * (1 - right) + b * right) * (1 - down)
                         + (c * (1 - right) + d * right) * down)
    if pixel is float or pixel is double:
        return <pixel>value
    else:
        return <pixel>rint(value)


def erase(pixel[:, ::1] batch, const long long[:, ::1] boxes, const pixel[::1] fill, shape,
          int threads):
    """In image b the `fill` from boxes[b, :2] = (row, column) on, boxes[b, 2:] high and wide."""
    cdef Shape s = shape
    cdef Py_ssize_t size = batch.shape[0], b
    cdef const long long *box = &boxes[0, 0]
    cdef const pixel *f = &fill[0]
    cdef pixel *y = &batch[0, 0]
    with nogil:
        if threads == 1:
            for b in range(size):
                erase_box(y, b, box + 4 * b, f, s)
        else:
            for b in prange(size, num_threads=threads, schedule="static"):
                erase_box(y, b, box + 4 * b, f, s)


cdef inline void erase_box(pixel *y, Py_ssize_t image, const long long *box, const pixel *fill,
                           Shape s) noexcept nogil:
    cdef Py_ssize_t plane, r
    y = y + image * s.planes * s.height * s.width * s.inner
    for plane in range(s.planes):
        for r in range(box[0], box[0] + box[2]):
            fill_pixels(y + ((plane * s.height + r) * s.width + box[1]) * s.inner, box[3],
                        fill + plane, s.inner)


def erase_noise(pixel[:, ::1] batch, const long long[:, ::1] boxes,
                const unsigned long long[::1] keys, shape, int threads):
    """In image b noise in boxes[b] (as for `erase`), another number for each pixel and channel.

    A number follows from keys[b] and its place in the image, in either order of memory.
    """
    cdef Shape s = shape
    cdef Py_ssize_t size = batch.shape[0], b
    cdef const long long *box = &boxes[0, 0]
    cdef const unsigned long long *key = &keys[0]
    cdef pixel *y = &batch[0, 0]
    with nogil:
        if threads == 1:
            for b in range(size):
                noise_box(y, b, box + 4 * b, key[b], s)
        else:
            for b in prange(size, num_threads=threads, schedule="static"):
                noise_box(y, b, box + 4 * b, key[b], s)


cdef inline void noise_box(pixel *y, Py_ssize_t image, const long long *box, uint64_t key,
                           Shape s) noexcept nogil:
    cdef Py_ssize_t plane, r, c, q
    cdef uint64_t place
    y = y + image * s.planes * s.height * s.width * s.inner
    for plane in range(s.planes):
        for r in range(box[0], box[0] + box[2]):
            for c in range(box[1], box[1] + box[3]):
                for q in range(s.inner):
                    place = ((plane + q) * s.height + r) * s.width + c
                    y[((plane * s.height + r) * s.width + c) * s.inner + q] = noise[pixel](
                        mixed(key + place * 0x9E3779B97F4A7C15ull), NULL)


cdef inline pixel noise(uint64_t word, const pixel *kind) noexcept nogil:
    """From 64 even bits: 0 to 255 evenly, or a standard normal number (Box and Muller's)."""
    cdef double radius, angle
    if pixel is float or pixel is double:
        radius = ((word >> 32) + 1) * 2.3283064365386963e-10            # above 0, to 1
        angle = (word & 0xFFFFFFFFull) * 1.4629180792671596e-9          # of 2 pi
        return <pixel>(sqrt(-2 * log(radius)) * cos(angle))
    else:
        return <pixel>(word >> 56)


cdef inline uint64_t mixed(uint64_t word) noexcept nogil:
    """Sixty-four bits, every one of which depends on all: the hash of SplitMix64."""
    word = word + 0x9E3779B97F4A7C15ull
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9ull
    word = (word ^ (word >> 27)) * 0x94D049BB133111EBull
    return word ^ (word >> 31)
