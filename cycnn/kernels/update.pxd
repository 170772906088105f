"""One step of an optimizer for a stretch of numbers: inlined where gradients are made or read."""

from .tile cimport real


cdef inline void sgd_range(real *w, const real *g, real *v, Py_ssize_t n, real lr, real momentum,
                           real weight_decay, bint nesterov, bint first) noexcept nogil:
    if momentum == 0:
        sgd_plain(w, g, n, lr, weight_decay)
    else:
        sgd_momentum(w, g, v, n, lr, momentum, weight_decay, nesterov, first)


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
