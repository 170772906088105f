"""Dropout: which numbers are dropped follows from their place and a key, by arithmetic.

There is no generator whose state would have to be shared: the place of a number (its sample, and
its position there) and the key are mixed into 32 bits that look random, the same for any number of
threads and for any other samples beside. The backward pass finds them again instead of reading a
mask.
"""

from cython.parallel cimport prange

from .buffers cimport address
from .tile cimport real

cdef extern from *:
    """
    #include <stdint.h>
    """
    ctypedef unsigned int uint32_t
    ctypedef unsigned long long uint64_t

# Numbers of one parallel task.
cdef enum:
    CHUNK = 8192


def forward(x, y, uint64_t key, double keep, Py_ssize_t samples, Py_ssize_t rows,
            Py_ssize_t channels, bint whole_channels, int itemsize, int threads):
    """y = x / keep where the 32 bits of a number are below keep * 2**32, else 0.

    x and y are (samples, rows, channels) without gaps. With `whole_channels` the bits are those of
    a channel of a sample, the same in all rows.
    """
    cdef const char *px = address(x)
    cdef char *py = address(y)
    cdef uint64_t limit = <uint64_t>(keep * 4294967296.0 + 0.5)
    cdef Py_ssize_t numbers = rows * channels
    cdef Py_ssize_t chunk = max(CHUNK // channels, 1) * channels if whole_channels else CHUNK
    cdef Py_ssize_t pieces = (numbers + chunk - 1) // chunk, i
    with nogil:
        if threads == 1:
            for i in range(samples * pieces):
                drop_piece(px, py, key, limit, keep, chunk, pieces, numbers, channels,
                           whole_channels, itemsize, i)
        else:
            for i in prange(samples * pieces, num_threads=threads, schedule="static"):
                drop_piece(px, py, key, limit, keep, chunk, pieces, numbers, channels,
                           whole_channels, itemsize, i)


cdef void drop_piece(const char *x, char *y, uint64_t key, uint64_t limit, double keep,
                     Py_ssize_t chunk, Py_ssize_t pieces, Py_ssize_t numbers, Py_ssize_t channels,
                     bint whole_channels, int itemsize, Py_ssize_t task) noexcept nogil:
    cdef Py_ssize_t sample = task // pieces, first = task % pieces * chunk
    cdef Py_ssize_t n = min(chunk, numbers - first)
    cdef Py_ssize_t start = (sample * numbers + first) * itemsize
    cdef uint64_t own = mixed64(key ^ mixed64(<uint64_t>sample + 1))
    if itemsize == sizeof(float):
        drop(<const float *>(x + start), <float *>(y + start), own, limit, <float>(1 / keep),
             first, n, channels, whole_channels)
    else:
        drop(<const double *>(x + start), <double *>(y + start), own, limit, 1 / keep, first, n,
             channels, whole_channels)


cdef inline void drop(const real *x, real *y, uint64_t key, uint64_t limit, real scale,
                      Py_ssize_t first, Py_ssize_t n, Py_ssize_t channels,
                      bint whole_channels) noexcept nogil:
    """Positions first <= i < first + n of a sample whose key is `key`."""
    cdef uint32_t low = <uint32_t>key, high = <uint32_t>(key >> 32)
    # keep is above 0 and below 1 here, so the limit fits into 32 bits, or is 2**32: all are kept.
    cdef uint32_t last = <uint32_t>(limit - 1)
    cdef Py_ssize_t i, _row
    cdef real kept
    if limit == 0:
        for i in range(n):
            y[i] = 0
    elif whole_channels:
        for _row in range(n // channels):
            for i in range(channels):
                kept = x[i] * scale
                y[i] = kept if bits_of(<uint32_t>i, low, high) <= last else <real>0
            x, y = x + channels, y + channels
    else:
        for i in range(n):
            kept = x[i] * scale
            y[i] = kept if bits_of(<uint32_t>(first + i), low, high) <= last else <real>0


cdef inline uint32_t bits_of(uint32_t position, uint32_t low, uint32_t high) noexcept nogil:
    """32 bits for a position under a key of 64: two rounds of multiplying and folding.

    The multipliers are those of Chris Wellons' "lowbias32" (2018), whose bias is close to the least
    that such a function can have. Between the rounds the second half of the key comes in: the order
    of one sample's bits is not that of another's.
    """
    cdef uint32_t x = position ^ low
    x = (x ^ (x >> 16)) * <uint32_t>0x7feb352d
    x = (x ^ (x >> 15)) * <uint32_t>0x846ca68b
    x = (x ^ (x >> 16)) + high
    x = (x ^ (x >> 16)) * <uint32_t>0x7feb352d
    x = (x ^ (x >> 15)) * <uint32_t>0x846ca68b
    return x ^ (x >> 16)


cdef inline uint64_t mixed64(uint64_t x) noexcept nogil:
    """The output function of SplitMix64 (Steele, Lea and Flood, 2014)."""
    x += <uint64_t>0x9e3779b97f4a7c15
    x = (x ^ (x >> 30)) * <uint64_t>0xbf58476d1ce4e5b9
    x = (x ^ (x >> 27)) * <uint64_t>0x94d049bb133111eb
    return x ^ (x >> 31)
