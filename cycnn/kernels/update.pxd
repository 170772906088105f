"""One step of an optimizer for a stretch of numbers: inlined where gradients are made or read.

The gradient is scale * g: that of one image is a multiple of its inputs, and never written.
"""

from .arrays cimport Seen
from .tile cimport real

cdef enum:
    MOST_STATES = 3

# What one step does to one weight.
cdef struct Update:
    char *weight
    const char *grad
    char *states[MOST_STATES]   # of which the rule says what they are
    Py_ssize_t size
    Py_ssize_t end              # of its chunks, in those of all weights
    bint is_double


cdef class Memory:
    cdef object arrays
    cdef Seen gradient
    cdef Update update


# A stretch of numbers that one task updates.
cdef struct Chunk:
    const Update *update
    Py_ssize_t weight           # the weight's place in the list
    Py_ssize_t start
    Py_ssize_t size

ctypedef void (*Task)(const Chunk *at, const void *rule) noexcept nogil

cdef int run(list weights, list grads, Task task, const void *rule, int threads) except -1


cdef inline void sgd_range(real *w, real scale, const real *g, real *v, Py_ssize_t n, real lr,
                           real momentum, real weight_decay, bint nesterov,
                           bint first) noexcept nogil:
    # Without weight decay there is less to compute, which a weight in L2 or L3 would wait for.
    if momentum == 0 and weight_decay == 0:
        sgd_bare(w, scale, g, n, lr)
    elif momentum == 0:
        sgd_plain(w, scale, g, n, lr, weight_decay)
    else:
        sgd_momentum(w, scale, g, v, n, lr, momentum, weight_decay, nesterov, first)


# Weights beyond L2 wait for nothing but L3. On an AMD EPYC this loop took as long for 1.2 million
# (103 us, one thread) as reading both arrays does (101 us, 95 GB/s). Prefetches made it a quarter
# slower, stores past the caches 2.5 times as slow; huge pages and longer tasks changed nothing.
cdef inline void sgd_bare(real *w, real scale, const real *g, Py_ssize_t n, real lr) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        w[i] = w[i] - lr * (scale * g[i])


cdef inline void sgd_plain(real *w, real scale, const real *g, Py_ssize_t n, real lr,
                           real weight_decay) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        w[i] = w[i] - lr * (scale * g[i] + weight_decay * w[i])


cdef inline void sgd_momentum(real *w, real scale, const real *g, real *v, Py_ssize_t n, real lr,
                              real momentum, real weight_decay, bint nesterov,
                              bint first) noexcept nogil:
    cdef Py_ssize_t i
    cdef real step
    for i in range(n):
        # Also without weight decay: the sum rounds the product, as if it had been written.
        step = scale * g[i] + weight_decay * w[i]
        v[i] = step if first else momentum * v[i] + step
        w[i] = w[i] - lr * (step + momentum * v[i] if nesterov else v[i])
