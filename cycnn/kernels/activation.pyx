"""Activation functions and their gradients: one pass over memory each."""

from cython.parallel cimport prange

from cycnn.kernels cimport fastmath
from cycnn.kernels.fastmath cimport real
from .buffers cimport address

# Elements of one parallel task: fixed, so that no rounding depends on the number of threads.
cdef enum:
    CHUNK = 8192

cpdef enum:
    RELU
    LEAKY_RELU
    TANH
    SIGMOID
    ELU
    GELU
    GELU_TANH
    SILU

# The arrays of `forward` and `backward` hold n numbers without gaps, all of float or all of double,
# as `size` of one says.


def forward(int function, x, y, Py_ssize_t n, int size, double slope, int threads):
    """y = function(x); `slope` is that of LEAKY_RELU below zero, and ELU's alpha."""
    cdef const char *px = address(x)
    cdef char *py = address(y)
    with nogil:
        if size == sizeof(float):
            forward_all(function, <const float *>px, <float *>py, n, <float>slope, threads)
        else:
            forward_all(function, <const double *>px, <double *>py, n, slope, threads)


def backward(int function, dy, x, dx, Py_ssize_t n, int size, double slope, int threads):
    """dx = dy * function'(x); `x` is the result of RELU, TANH and SIGMOID, else the argument."""
    cdef const char *pdy = address(dy)
    cdef const char *px = address(x)
    cdef char *pdx = address(dx)
    with nogil:
        if size == sizeof(float):
            backward_all(function, <const float *>pdy, <const float *>px, <float *>pdx, n,
                         <float>slope, threads)
        else:
            backward_all(function, <const double *>pdy, <const double *>px, <double *>pdx, n,
                         slope, threads)


# One thread runs the loops below without OpenMP: to open a parallel region of one thread costs as
# much as a small array.

cdef void forward_all(int function, const real *x, real *y, Py_ssize_t n, real slope,
                      int threads) noexcept nogil:
    cdef Py_ssize_t chunks = (n + CHUNK - 1) // CHUNK, i
    if threads == 1:
        for i in range(chunks):
            forward_chunk(function, x, y, n, i, slope)
    else:
        for i in prange(chunks, num_threads=threads, schedule="static"):
            forward_chunk(function, x, y, n, i, slope)


cdef void backward_all(int function, const real *dy, const real *x, real *dx, Py_ssize_t n,
                       real slope, int threads) noexcept nogil:
    cdef Py_ssize_t chunks = (n + CHUNK - 1) // CHUNK, i
    if threads == 1:
        for i in range(chunks):
            backward_chunk(function, dy, x, dx, n, i, slope)
    else:
        for i in prange(chunks, num_threads=threads, schedule="static"):
            backward_chunk(function, dy, x, dx, n, i, slope)


cdef inline real either(bint condition, real a, real b) noexcept nogil:
    """a or b, both of them read: a loop that may read only one of them would have no vectors before
    AVX2, which cannot leave out single numbers."""
    return a if condition else b


cdef inline real bent(real x) noexcept nogil:
    """2 sqrt(2 / pi) (x + 0.044715 x**3): for (1 + tanh(u)) / 2 is the logistic function of 2 u."""
    return <real>(2 * 0.797884560802865355880) * (x + <real>0.044715 * (x * x * x))


# The slopes are constant beyond these bounds, where infinity times 0 would be no number.

cdef inline real gelu_slope(real x) noexcept nogil:
    x = fastmath.clamp(x, <real>-40, <real>40)
    cdef real e = fastmath.exp(<real>-0.5 * x * x)
    return fastmath.normal_cdf(x, e) + x * (e * <real>0.398942280401432677940)


cdef inline real gelu_tanh_slope(real x) noexcept nogil:
    x = fastmath.clamp(x, <real>-40, <real>40)
    cdef real s = fastmath.sigmoid(bent(x))
    return s + x * (s * (<real>1 - s)) * (
        <real>(2 * 0.797884560802865355880) * (<real>1 + <real>(3 * 0.044715) * (x * x)))


cdef inline real silu_slope(real x) noexcept nogil:
    x = fastmath.clamp(x, <real>-800, <real>800)
    cdef real s = fastmath.sigmoid(x)
    return s * (<real>1 + x * (<real>1 - s))


# The comparisons are written so that NaN takes the branch that passes it on. Constants are cast,
# because Cython's are double.

cdef void forward_chunk(int function, const real *x, real *y, Py_ssize_t n,
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
    elif function == SIGMOID:
        for i in range(n):
            y[i] = fastmath.sigmoid(x[i])
    elif function == ELU:
        for i in range(n):
            y[i] = x[i] if x[i] > <real>0 else slope * fastmath.expm1(x[i])
    elif function == GELU:
        for i in range(n):
            y[i] = x[i] * fastmath.normal_cdf(x[i], fastmath.exp(<real>-0.5 * x[i] * x[i]))
    elif function == GELU_TANH:
        for i in range(n):
            y[i] = x[i] * fastmath.sigmoid(bent(x[i]))
    else:
        for i in range(n):
            y[i] = x[i] * fastmath.sigmoid(x[i])


cdef void backward_chunk(int function, const real *dy, const real *x, real *dx,
                         Py_ssize_t n, Py_ssize_t chunk, real slope) noexcept nogil:
    cdef Py_ssize_t i
    dy, x, dx = dy + chunk * CHUNK, x + chunk * CHUNK, dx + chunk * CHUNK
    n = min(CHUNK, n - chunk * CHUNK)
    if function == RELU:
        for i in range(n):
            dx[i] = either(x[i] <= <real>0, <real>0, dy[i])
    elif function == LEAKY_RELU:
        for i in range(n):
            dx[i] = dy[i] if x[i] > <real>0 else dy[i] * slope
    elif function == TANH:
        for i in range(n):
            dx[i] = dy[i] * (<real>1 - x[i] * x[i])
    elif function == SIGMOID:
        for i in range(n):
            dx[i] = dy[i] * ((<real>1 - x[i]) * x[i])
    elif function == ELU:
        for i in range(n):
            dx[i] = dy[i] if x[i] > <real>0 else dy[i] * (slope * fastmath.exp(x[i]))
    elif function == GELU:
        for i in range(n):
            dx[i] = dy[i] * gelu_slope(x[i])
    elif function == GELU_TANH:
        for i in range(n):
            dx[i] = dy[i] * gelu_tanh_slope(x[i])
    else:
        for i in range(n):
            dx[i] = dy[i] * silu_slope(x[i])
