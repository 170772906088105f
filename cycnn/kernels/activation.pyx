"""Activation functions and their gradients: one pass over memory each."""

from cython.parallel cimport prange

from cycnn.kernels cimport fastmath
from cycnn.kernels.fastmath cimport real

# Elements of one parallel task: fixed, so that no rounding depends on the number of threads.
cdef enum:
    CHUNK = 8192

cpdef enum:
    RELU
    LEAKY_RELU
    TANH
    SIGMOID

# One thread runs the loops below without OpenMP: to open a parallel region of one thread costs as
# much as a small array.

def forward(int function, const real[::1] x, real[::1] y, real slope, int threads):
    """y = function(x); `slope` is that of LEAKY_RELU below zero."""
    cdef Py_ssize_t n = x.shape[0], chunks = (n + CHUNK - 1) // CHUNK, i
    cdef const real *px = &x[0]
    cdef real *py = &y[0]
    with nogil:
        if threads == 1:
            for i in range(chunks):
                forward_chunk(function, px, py, n, i, slope)
        else:
            for i in prange(chunks, num_threads=threads, schedule="static"):
                forward_chunk(function, px, py, n, i, slope)


def backward(int function, const real[::1] dy, const real[::1] x, real[::1] dx, real slope,
             int threads):
    """dx = dy * function'(x); `x` is the function's result, but LEAKY_RELU's argument."""
    cdef Py_ssize_t n = dy.shape[0], chunks = (n + CHUNK - 1) // CHUNK, i
    cdef const real *pdy = &dy[0]
    cdef const real *px = &x[0]
    cdef real *pdx = &dx[0]
    with nogil:
        if threads == 1:
            for i in range(chunks):
                backward_chunk(function, pdy, px, pdx, n, i, slope)
        else:
            for i in prange(chunks, num_threads=threads, schedule="static"):
                backward_chunk(function, pdy, px, pdx, n, i, slope)


# The comparisons are written so that NaN takes the branch that passes it on. Constants are cast,
# because Cython's are double.

cdef inline void forward_chunk(int function, const real *x, real *y, Py_ssize_t n,
                               Py_ssize_t chunk, real slope) noexcept nogil:
    cdef Py_ssize_t i
    x, y, n = x + chunk * CHUNK, y + chunk * CHUNK, min(CHUNK, n - chunk * CHUNK)
    if function == RELU:
        for i in range(n):
            y[i] = <real>0 if x[i] <= <real>0 else x[i]
    elif function == LEAKY_RELU:
        for i in range(n):
            y[i] = x[i] if x[i] > <real>0 else x[i] * slope
    elif function == TANH:
        for i in range(n):
            y[i] = fastmath.tanh(x[i])
    else:
        for i in range(n):
            y[i] = fastmath.sigmoid(x[i])


cdef inline void backward_chunk(int function, const real *dy, const real *x, real *dx,
                                Py_ssize_t n, Py_ssize_t chunk, real slope) noexcept nogil:
    cdef Py_ssize_t i
    dy, x, dx = dy + chunk * CHUNK, x + chunk * CHUNK, dx + chunk * CHUNK
    n = min(CHUNK, n - chunk * CHUNK)
    if function == RELU:
        for i in range(n):
            dx[i] = <real>0 if x[i] <= <real>0 else dy[i]
    elif function == LEAKY_RELU:
        for i in range(n):
            dx[i] = dy[i] if x[i] > <real>0 else dy[i] * slope
    elif function == TANH:
        for i in range(n):
            dx[i] = dy[i] * (<real>1 - x[i] * x[i])
    else:
        for i in range(n):
            dx[i] = dy[i] * ((<real>1 - x[i]) * x[i])
