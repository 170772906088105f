"""Max pooling on plain addresses, of images (N, H, W, C) without gaps; none of it needs the GIL."""

from .tile cimport real
from .windows cimport Window

# Which pixel of the window won: its number, row by row. One byte, unless the window is larger.
ctypedef fused tap:
    unsigned char
    int


cdef void max_pool_pass(const Window *w, const real *x, real *y, tap *winner, Py_ssize_t images,
                        int threads) noexcept nogil
cdef void max_pool_backward_pass(const Window *w, const real *dy, const tap *winner, real *dx,
                                 Py_ssize_t images, int threads) noexcept nogil
