"""Max pooling on plain addresses, of images (N, H, W, C) without gaps; none of it needs the GIL."""

from .tile cimport real
from .windows cimport Window

# A winner says which pixel of the window it is: its number, row by row. Of windows of at most so
# many pixels it is one byte, else an int.
cdef enum:
    BYTE_PIXELS = 255


cdef void max_pool_pass(const Window *w, const real *x, real *y, void *winners, Py_ssize_t images,
                        int threads) noexcept nogil
cdef void max_pool_backward_pass(const Window *w, const real *dy, const void *winners, real *dx,
                                 Py_ssize_t images, int threads) noexcept nogil
cdef void indices_pass(const Window *w, const void *winners, long long *indices,
                       Py_ssize_t images, int threads) noexcept nogil
cdef void scatter_pass(const real *dy, const long long *indices, real *dx, Py_ssize_t images,
                       Py_ssize_t out_pixels, Py_ssize_t pixels, Py_ssize_t channels,
                       int threads) noexcept nogil
