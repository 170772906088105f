"""Average pooling on plain addresses, of images (N, H, W, C) without gaps, and without the GIL."""

from .tile cimport real
from .windows cimport Window


cdef void average_pool_pass(const Window *w, const real *x, real *y, Py_ssize_t images,
                            bint count_padding, int threads) noexcept nogil
cdef void average_pool_backward_pass(const Window *w, const real *dy, real *dx, Py_ssize_t images,
                                     bint count_padding, int threads) noexcept nogil
cdef void mean_pixels_pass(const real *x, real *y, Py_ssize_t images, Py_ssize_t pixels,
                           Py_ssize_t channels, int threads) noexcept nogil
cdef void spread_pixels_pass(const real *dy, real *dx, Py_ssize_t images, Py_ssize_t pixels,
                             Py_ssize_t channels, int threads) noexcept nogil
