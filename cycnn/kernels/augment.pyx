"""Stored images moved, turned and partly covered: what augmentation does to every pixel.

An image is `planes` x height x width x `inner` numbers, one of planes and inner being 1: channels
first (inner is 1) or channels last (planes is 1). Channel c lies in plane c or at inner position c,
so `fill`, one number a channel, is read at the sum of the two.
"""

from cython.parallel cimport prange
from libc.math cimport cos, floor, log, rint, sqrt
from libc.string cimport memcpy, memset

from .buffers cimport address
from .repeat cimport repeat

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

# Images and `fill` are in C order: unsigned char, float or double, which the bytes of a number tell
# apart. What only moves pixels works on bytes: `inner` counts those of a pixel then.
#
# One thread runs the loops below without OpenMP: to open a parallel region of one thread costs as
# much as a small batch.

cdef Shape shape_of(tuple sizes) except *:
    cdef Shape s
    s.planes, s.height, s.width, s.inner, s.out_height, s.out_width = sizes
    return s


def remap(images, indices, rows, columns, fill, batch, Py_ssize_t size, tuple shape, int itemsize,
          int threads):
    """batch[b, y, x] = image indices[b] at (rows[b, y], columns[b, x]); `fill` where one is < 0.

    For `size` images; indices are int64, rows and columns int32.
    """
    cdef Shape s = shape_of(shape)
    cdef const char *source = address(images)
    cdef const long long *index = <const long long *>address(indices)
    cdef const int *row = <const int *>address(rows)
    cdef const int *column = <const int *>address(columns)
    cdef const char *f = address(fill)
    cdef char *y = address(batch)
    cdef Py_ssize_t b
    s.inner *= itemsize
    with nogil:
        if threads == 1:
            for b in range(size):
                remap_image(source, index[b], row, column, f, y, b, s, itemsize)
        else:
            for b in prange(size, num_threads=threads, schedule="static"):
                remap_image(source, index[b], row, column, f, y, b, s, itemsize)


cdef void remap_image(const char *x, Py_ssize_t source, const int *rows, const int *columns,
                      const char *fill, char *y, Py_ssize_t target, Shape s,
                      int itemsize) noexcept nogil:
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
                fill_pixels(y, s.out_width, fill + plane * itemsize, s.inner)
            else:
                remap_row(x + (plane * s.height + rows[r]) * s.width * s.inner, columns, first,
                          last, step, fill + plane * itemsize, y, s, itemsize)
            y += s.out_width * s.inner


cdef inline void remap_row(const char *x, const int *columns, Py_ssize_t first, Py_ssize_t last,
                           int step, const char *fill, char *y, Shape s,
                           int itemsize) noexcept nogil:
    fill_pixels(y, first, fill, s.inner)
    fill_pixels(y + last * s.inner, s.out_width - last, fill, s.inner)
    if first == last:
        return
    if step == 1:
        memcpy(y + first * s.inner, x + columns[first] * s.inner, (last - first) * s.inner)
    elif itemsize == 1:
        copy_columns(<const unsigned char *>x, columns, first, last, step,
                     <const unsigned char *>fill, <unsigned char *>y, s.inner)
    elif itemsize == sizeof(float):
        copy_columns(<const float *>x, columns, first, last, step, <const float *>fill,
                     <float *>y, s.inner // <Py_ssize_t>sizeof(float))
    else:
        copy_columns(<const double *>x, columns, first, last, step, <const double *>fill,
                     <double *>y, s.inner // <Py_ssize_t>sizeof(double))


cdef inline void copy_columns(const pixel *x, const int *columns, Py_ssize_t first,
                              Py_ssize_t last, int step, const pixel *fill, pixel *y,
                              Py_ssize_t inner) noexcept nogil:
    cdef Py_ssize_t c, q
    if step == -1 and inner == 1:
        x = x + columns[first]
        for c in range(last - first):
            y[first + c] = x[-c]
    else:
        for c in range(first, last):
            if columns[c] < 0:
                for q in range(inner):
                    y[c * inner + q] = fill[q]
            else:
                for q in range(inner):
                    y[c * inner + q] = x[columns[c] * inner + q]


cdef inline void fill_pixels(char *y, Py_ssize_t pixels, const char *fill,
                             Py_ssize_t inner) noexcept nogil:
    if pixels <= 0:
        return
    if inner == 1:
        memset(y, fill[0], pixels)
    else:
        memcpy(y, fill, inner)
        repeat(y, inner, pixels * inner)


def warp(images, matrices, fill, batch, Py_ssize_t size, tuple shape, bint bilinear, int itemsize,
         int threads):
    """batch[b, y, x] = images[b] at (m[3] x + m[4] y + m[5], m[0] x + m[1] y + m[2]), a row and a
    column that need not be whole, with m = matrices[b], in double; outside the image all is `fill`.
    """
    cdef Shape s = shape_of(shape)
    cdef const char *source = address(images)
    cdef const double *m = <const double *>address(matrices)
    cdef const char *f = address(fill)
    cdef char *y = address(batch)
    cdef Py_ssize_t b
    with nogil:
        if threads == 1:
            for b in range(size):
                warp_task(source, m + 6 * b, f, y, b, s, bilinear, itemsize)
        else:
            for b in prange(size, num_threads=threads, schedule="static"):
                warp_task(source, m + 6 * b, f, y, b, s, bilinear, itemsize)


cdef void warp_task(const char *x, const double *m, const char *fill, char *y, Py_ssize_t image,
                    Shape s, bint bilinear, int itemsize) noexcept nogil:
    if itemsize == 1:
        warp_image(<const unsigned char *>x, m, <const unsigned char *>fill, <unsigned char *>y,
                   image, s, bilinear)
    elif itemsize == sizeof(float):
        warp_image(<const float *>x, m, <const float *>fill, <float *>y, image, s, bilinear)
    else:
        warp_image(<const double *>x, m, <const double *>fill, <double *>y, image, s, bilinear)


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


def erase(batch, boxes, fill, Py_ssize_t size, tuple shape, int itemsize, int threads):
    """In image b the `fill` from boxes[b, :2] = (row, column) on, boxes[b, 2:] high and wide.

    In `size` images; boxes are int64.
    """
    cdef Shape s = shape_of(shape)
    cdef const long long *box = <const long long *>address(boxes)
    cdef const char *f = address(fill)
    cdef char *y = address(batch)
    cdef Py_ssize_t b
    s.inner *= itemsize
    with nogil:
        if threads == 1:
            for b in range(size):
                erase_box(y, b, box + 4 * b, f, s, itemsize)
        else:
            for b in prange(size, num_threads=threads, schedule="static"):
                erase_box(y, b, box + 4 * b, f, s, itemsize)


cdef void erase_box(char *y, Py_ssize_t image, const long long *box, const char *fill,
                    Shape s, int itemsize) noexcept nogil:
    cdef Py_ssize_t plane, r, width = s.width * s.inner
    y = y + image * s.planes * s.height * width + box[0] * width + box[1] * s.inner
    for plane in range(s.planes):
        fill_pixels(y, box[3] if box[2] else 0, fill + plane * itemsize, s.inner)
        for r in range(1, box[2]):
            memcpy(y + r * width, y, box[3] * s.inner)
        y += s.height * width


def erase_noise(batch, boxes, keys, Py_ssize_t size, tuple shape, int itemsize, int threads):
    """In image b noise in boxes[b] (as for `erase`), another number for each pixel and channel.

    A number follows from keys[b], a uint64, and its place in the image, in either order of memory.
    """
    cdef Shape s = shape_of(shape)
    cdef const long long *box = <const long long *>address(boxes)
    cdef const unsigned long long *key = <const unsigned long long *>address(keys)
    cdef char *y = address(batch)
    cdef Py_ssize_t b
    with nogil:
        if threads == 1:
            for b in range(size):
                noise_task(y, b, box + 4 * b, key[b], s, itemsize)
        else:
            for b in prange(size, num_threads=threads, schedule="static"):
                noise_task(y, b, box + 4 * b, key[b], s, itemsize)


cdef void noise_task(char *y, Py_ssize_t image, const long long *box, uint64_t key, Shape s,
                     int itemsize) noexcept nogil:
    if itemsize == 1:
        noise_box(<unsigned char *>y, image, box, key, s)
    elif itemsize == sizeof(float):
        noise_box(<float *>y, image, box, key, s)
    else:
        noise_box(<double *>y, image, box, key, s)


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
