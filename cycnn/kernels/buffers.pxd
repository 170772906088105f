"""Memory: of arrays, and what kernels work in, which is aligned to cache lines."""

from cpython.buffer cimport PyBUF_ND, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdlib cimport malloc
from libc.string cimport memcpy, memset

from .tile cimport real

cdef inline char *address(array) except NULL:
    """The first byte of an array without gaps, which the caller holds on to.

    For small arrays of any shape: a typed memoryview takes three times as long to make.
    """
    cdef Py_buffer buffer
    PyObject_GetBuffer(array, &buffer, PyBUF_SIMPLE)
    PyBuffer_Release(&buffer)
    return <char *>buffer.buf


cdef inline char *address_of_4d(array, Py_ssize_t *shape) except NULL:
    """The same for an array of four dimensions, whose sizes go to `shape`."""
    cdef Py_buffer buffer
    cdef int i
    PyObject_GetBuffer(array, &buffer, PyBUF_ND)
    for i in range(4):
        shape[i] = buffer.shape[i]
    PyBuffer_Release(&buffer)
    return <char *>buffer.buf


# Bytes of padded rows that one task copies at a time: a part of every processor's L2.
cdef enum:
    BUFFER_BYTES = 196608


# A vector load that crosses a cache line costs two, so what the tile reads most begins on one.
cdef enum:
    CACHE_LINE = 64


cdef inline size_t whole_lines(size_t n_bytes) noexcept nogil:
    return (n_bytes + CACHE_LINE - 1) // CACHE_LINE * CACHE_LINE


# What a processor fetches ahead of one thread's memory must not be another's: the line would go
# back and forth between their caches. Fetching ahead ends with a page.
cdef enum:
    PAGE = 4096


cdef inline size_t set_apart(size_t n_bytes) noexcept nogil:
    """Bytes from one thread's working memory to the next one's."""
    return whole_lines(n_bytes) + PAGE


cdef inline char *allocate(size_t n_bytes, void **block) noexcept nogil:
    """n_bytes on a cache line, or NULL. *block is what to free."""
    block[0] = malloc(n_bytes + CACHE_LINE)
    return <char *>whole_lines(<size_t>block[0]) if block[0] else NULL


cdef inline void copy_padded(const real *image, Py_ssize_t height, Py_ssize_t width,
                             Py_ssize_t channels, real *buffer, Py_ssize_t first_row,
                             Py_ssize_t n_rows, Py_ssize_t first_column,
                             Py_ssize_t n_columns) noexcept nogil:
    """buffer[r, c] = image[first_row + r, first_column + c], 0 where the image has none."""
    cdef Py_ssize_t row, left, right
    cdef const real *source
    left = min(max(0, -first_column), n_columns)
    right = max(left, min(n_columns, width - first_column))
    for row in range(first_row, first_row + n_rows):
        if row < 0 or row >= height or left == right:
            memset(buffer, 0, n_columns * channels * sizeof(real))
        else:
            source = image + (row * width + first_column + left) * channels
            memset(buffer, 0, left * channels * sizeof(real))
            memcpy(buffer + left * channels, source, (right - left) * channels * sizeof(real))
            memset(buffer + right * channels, 0, (n_columns - right) * channels * sizeof(real))
        buffer += n_columns * channels


cdef inline void clear(real *x, Py_ssize_t pixels, Py_ssize_t channels,
                       Py_ssize_t count) noexcept nogil:
    """x = 0 at `count` of the `channels` of all pixels."""
    cdef Py_ssize_t p
    if count == channels:
        memset(x, 0, pixels * channels * sizeof(real))
    else:
        for p in range(pixels):
            memset(x + p * channels, 0, count * sizeof(real))
