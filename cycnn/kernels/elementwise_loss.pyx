"""Losses that compare number with number: squared, absolute, Huber's, and the logistic loss."""

from cython.parallel cimport prange

from cycnn.kernels cimport fastmath
from cycnn.kernels.fastmath cimport real
from .buffers cimport address
from .sums cimport VALUE, total

cdef enum:
    # Numbers whose losses are worked out before they are summed: a part of the stack.
    BLOCK = 512

# Elements of one parallel task: fixed, so that no rounding depends on the number of threads.
cpdef enum:
    CHUNK = 8192

cpdef enum:
    SQUARED         # (x - t)**2
    ABSOLUTE        # |x - t|
    HUBER           # (x - t)**2 / 2 where |x - t| is below delta, else delta (|x - t| - delta / 2)
    LOGISTIC        # -t log(sigmoid(x)) - (1 - t) log(1 - sigmoid(x))

# What is the same for all numbers of a call.
cdef struct Call:
    int kind
    const char *prediction
    const char *target
    const char *weight          # of each number, or NULL
    const char *positive        # weight of t in LOGISTIC, or NULL
    char *result
    double *sums
    Py_ssize_t n
    double delta
    double factor


# The arrays of `forward` and `backward` hold n numbers without gaps, all of float or all of double,
# as `size` of one says; `weight` and `positive` may be None.

def forward(int kind, prediction, target, weight, positive, losses, partial, Py_ssize_t n,
            double delta, int size, int threads):
    """The sum of the losses; or, where `partial` is None, each of them in `losses`.

    `partial` has a double for each CHUNK.
    """
    cdef Call call = call_of(kind, prediction, target, weight, positive, n, delta)
    call.result = NULL if losses is None else address(losses)
    call.sums = NULL if partial is None else <double *>address(partial)
    cdef Py_ssize_t chunks = (n + CHUNK - 1) // CHUNK, i
    cdef double result = 0
    with nogil:
        if threads == 1:
            for i in range(chunks):
                forward_chunk(&call, i, size)
        else:
            for i in prange(chunks, num_threads=threads, schedule="static"):
                forward_chunk(&call, i, size)
        if call.sums:
            result = total(VALUE, call.sums, call.sums, chunks)
    return result


def backward(int kind, prediction, target, weight, positive, gradient, Py_ssize_t n, double delta,
             double factor, int size, int threads):
    """gradient = factor times the derivative of each loss with respect to its prediction."""
    cdef Call call = call_of(kind, prediction, target, weight, positive, n, delta)
    call.result, call.factor = address(gradient), factor
    cdef Py_ssize_t chunks = (n + CHUNK - 1) // CHUNK, i
    with nogil:
        if threads == 1:
            for i in range(chunks):
                backward_chunk(&call, i, size)
        else:
            for i in prange(chunks, num_threads=threads, schedule="static"):
                backward_chunk(&call, i, size)


cdef Call call_of(int kind, prediction, target, weight, positive, Py_ssize_t n, double delta):
    cdef Call call
    call.kind, call.n, call.delta = kind, n, delta
    call.prediction, call.target = address(prediction), address(target)
    call.weight = NULL if weight is None else address(weight)
    call.positive = NULL if positive is None else address(positive)
    return call


# --- one task ------------------------------------------------------------------------------------

cdef void forward_chunk(const Call *call, Py_ssize_t chunk, int size) noexcept nogil:
    if size == sizeof(float):
        forward_range(call, chunk, <const float *>call.prediction, <const float *>call.target,
                      <const float *>call.weight, <const float *>call.positive,
                      <float *>call.result)
    else:
        forward_range(call, chunk, <const double *>call.prediction, <const double *>call.target,
                      <const double *>call.weight, <const double *>call.positive,
                      <double *>call.result)


cdef void backward_chunk(const Call *call, Py_ssize_t chunk, int size) noexcept nogil:
    if size == sizeof(float):
        backward_range(call, chunk, <const float *>call.prediction, <const float *>call.target,
                       <const float *>call.weight, <const float *>call.positive,
                       <float *>call.result)
    else:
        backward_range(call, chunk, <const double *>call.prediction, <const double *>call.target,
                       <const double *>call.weight, <const double *>call.positive,
                       <double *>call.result)


cdef inline void forward_range(const Call *call, Py_ssize_t chunk, const real *x, const real *t,
                               const real *weight, const real *positive,
                               real *losses) noexcept nogil:
    cdef Py_ssize_t start = chunk * CHUNK, end = min(call.n, start + CHUNK), at = start, n, i
    cdef real block[BLOCK]
    cdef real *y = block
    cdef double result = 0
    while at < end:
        n = min(<Py_ssize_t>BLOCK, end - at)
        if losses:
            y = losses + at
        losses_of(call.kind, x + at, t + at, positive + at if positive else positive, y, n,
                  <real>call.delta)
        if weight:
            for i in range(n):
                y[i] = y[i] * weight[at + i]
        if call.sums:
            result += total(VALUE, y, y, n)
        at += n
    if call.sums:
        call.sums[chunk] = result


cdef inline void losses_of(int kind, const real *x, const real *t, const real *positive, real *y,
                           Py_ssize_t n, real delta) noexcept nogil:
    cdef Py_ssize_t i
    cdef real apart
    if kind == SQUARED:
        for i in range(n):
            y[i] = (x[i] - t[i]) * (x[i] - t[i])
    elif kind == ABSOLUTE:
        for i in range(n):
            y[i] = absolute(x[i] - t[i])
    elif kind == HUBER:
        for i in range(n):
            apart = absolute(x[i] - t[i])
            y[i] = (<real>0.5 * apart * apart if apart < delta
                    else delta * (apart - <real>0.5 * delta))
    elif positive:
        for i in range(n):
            y[i] = logistic(x[i], t[i], positive[i])
    else:
        for i in range(n):
            y[i] = logistic(x[i], t[i], <real>1)


cdef inline void backward_range(const Call *call, Py_ssize_t chunk, const real *x, const real *t,
                                const real *weight, const real *positive,
                                real *g) noexcept nogil:
    cdef Py_ssize_t start = chunk * CHUNK, end = min(call.n, start + CHUNK), i
    cdef real delta = <real>call.delta, factor = <real>call.factor, apart
    if call.kind == SQUARED:
        for i in range(start, end):
            g[i] = <real>2 * factor * (x[i] - t[i])
    elif call.kind == ABSOLUTE:
        for i in range(start, end):
            apart = x[i] - t[i]
            g[i] = factor if apart > <real>0 else -factor if apart < <real>0 else factor * apart
    elif call.kind == HUBER:
        for i in range(start, end):
            apart = x[i] - t[i]
            g[i] = factor * (delta if apart > delta else -delta if apart < -delta else apart)
    elif positive:
        for i in range(start, end):
            g[i] = factor * logistic_slope(x[i], t[i], positive[i])
    else:
        for i in range(start, end):
            g[i] = factor * logistic_slope(x[i], t[i], <real>1)
    if weight:
        for i in range(start, end):
            g[i] = g[i] * weight[i]


cdef inline real absolute(real x) noexcept nogil:
    return -x if x < <real>0 else x


cdef inline real logistic(real x, real t, real positive) noexcept nogil:
    """(1 - t) log(1 + e**x) + positive t log(1 + e**-x), from e**-|x|, which never overflows."""
    cdef real size = absolute(x), small = fastmath.log1p_of_part(fastmath.exp(-size))
    cdef real up = x if x > <real>0 else <real>0
    return (<real>1 - t) * (up + small) + positive * t * ((up - x) + small)


cdef inline real logistic_slope(real x, real t, real positive) noexcept nogil:
    """Its derivative, (1 - t) sigmoid(x) - positive t sigmoid(-x): both are exact when small."""
    return (<real>1 - t) * fastmath.sigmoid(x) - positive * t * fastmath.sigmoid(-x)
