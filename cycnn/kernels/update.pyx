"""The optimizers' updates: one pass over memory each."""

from cython.parallel cimport prange

ctypedef fused real:
    float
    double

# Elements of one parallel task. A fixed length, so that where the vector loop of a task ends, and
# with it every rounding, does not depend on the number of threads.
cdef enum:
    CHUNK = 16384


def sgd(real[::1] weight, const real[::1] grad, real[::1] velocity, real lr, real momentum,
        real weight_decay, bint nesterov, bint first, int threads):
    """v = momentum * v + (g + weight_decay * w);  w -= lr * v   (PyTorch's form).

    With `nesterov` the step is g + momentum * v; in the first step v is g itself. Without momentum
    `velocity` is not touched (its length may be 0).
    """
    cdef Py_ssize_t n = weight.shape[0], chunks = (n + CHUNK - 1) // CHUNK, i
    if n == 0:
        return
    cdef real *w = &weight[0]
    cdef const real *g = &grad[0]
    cdef real *v = &velocity[0] if momentum != 0 else NULL
    with nogil:
        # One thread does without OpenMP: a region of one thread costs as much as a small array.
        if threads == 1:
            for i in range(chunks):
                sgd_chunk(w, g, v, n, i, lr, momentum, weight_decay, nesterov, first)
        else:
            for i in prange(chunks, num_threads=threads, schedule="static"):
                sgd_chunk(w, g, v, n, i, lr, momentum, weight_decay, nesterov, first)


cdef inline void sgd_chunk(real *w, const real *g, real *v, Py_ssize_t n, Py_ssize_t chunk,
                           real lr, real momentum, real weight_decay, bint nesterov,
                           bint first) noexcept nogil:
    w, g, n = w + chunk * CHUNK, g + chunk * CHUNK, min(CHUNK, n - chunk * CHUNK)
    if momentum == 0:
        sgd_plain(w, g, n, lr, weight_decay)
    else:
        sgd_momentum(w, g, v + chunk * CHUNK, n, lr, momentum, weight_decay, nesterov, first)


cdef inline void sgd_plain(real *w, const real *g, Py_ssize_t n, real lr,
                           real weight_decay) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        w[i] = w[i] - lr * (g[i] + weight_decay * w[i])


cdef inline void sgd_momentum(real *w, const real *g, real *v, Py_ssize_t n, real lr,
                              real momentum, real weight_decay, bint nesterov,
                              bint first) noexcept nogil:
    cdef Py_ssize_t i
    cdef real step
    for i in range(n):
        step = g[i] + weight_decay * w[i]
        v[i] = step if first else momentum * v[i] + step
        w[i] = w[i] - lr * (step + momentum * v[i] if nesterov else v[i])
