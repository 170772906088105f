"""Updates by moving averages: Adam, RMSprop, and the average of the weights. One pass each."""

from libc.math cimport pow, sqrt, sqrtf
from libc.stdlib cimport free, malloc

from .tile cimport real
from .update cimport Chunk, Update, run


cdef struct AdamRule:
    double beta1
    double beta2
    double eps
    double decay                # of the weight, added to the gradient
    double keep                 # what the weight itself is multiplied by
    const double *rates         # for each weight its step size, and 1 / sqrt(1 - beta2**step)


def adam(list weights, list grads, list steps, double lr, double beta1, double beta2, double eps,
         double weight_decay, bint decoupled, int threads):
    """m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g**2;  w -= lr m' / (sqrt(v') + eps)

    with m' = m / (1 - beta1**step), v' = v / (1 - beta2**step). For each of `weights`
    (update.Memory, its states m, v and, for AMSGrad, the largest v so far, which stands in v's
    place then), of `grads` (arrays without gaps) and of `steps`, counted from 1. The weight decay
    is added to g, or, `decoupled`, w is first multiplied by 1 - lr * weight_decay.
    """
    cdef AdamRule rule
    cdef Py_ssize_t i
    cdef double *rates = <double *>malloc(max(len(steps), 1) * 2 * sizeof(double))
    if not rates:
        raise MemoryError("no memory for the rates of the weights")
    try:
        for i in range(len(steps)):
            rates[2 * i] = lr / (1 - pow(beta1, <double>steps[i]))
            rates[2 * i + 1] = 1 / sqrt(1 - pow(beta2, <double>steps[i]))
        rule.beta1, rule.beta2, rule.eps, rule.rates = beta1, beta2, eps, rates
        rule.decay = 0 if decoupled else weight_decay
        rule.keep = 1 - lr * weight_decay if decoupled else 1
        run(weights, grads, adam_chunk, &rule, threads)
    finally:
        free(rates)


cdef struct RMSpropRule:
    double lr
    double alpha
    double eps
    double weight_decay
    double momentum
    bint centered


def rmsprop(list weights, list grads, double lr, double alpha, double eps, double weight_decay,
            double momentum, bint centered, int threads):
    """v = alpha v + (1 - alpha) g**2;  b = momentum b + g / (sqrt(v) + eps);  w -= lr b

    For each of `weights` (update.Memory, its states v, a and b, some memory where they are not
    used) and `grads` (arrays without gaps). `centered`, v - a**2 stands for v under the root, with
    a = alpha a + (1 - alpha) g.
    """
    cdef RMSpropRule rule
    rule.lr, rule.alpha, rule.eps, rule.weight_decay = lr, alpha, eps, weight_decay
    rule.momentum, rule.centered = momentum, centered
    run(weights, grads, rmsprop_chunk, &rule, threads)


def average(list averages, list arrays, double decay, int threads):
    """a = decay a + (1 - decay) x for each of `averages` (update.Memory) and `arrays`."""
    run(averages, arrays, average_chunk, &decay, threads)


# --- one task: a stretch of one weight -----------------------------------------------------------

cdef void adam_chunk(const Chunk *at, const void *options) noexcept nogil:
    cdef const AdamRule *rule = <const AdamRule *>options
    cdef const Update *u = at.update
    if u.is_double:
        adam_range(at, rule, <double *>u.weight, <const double *>u.grad, <double *>u.states[0],
                   <double *>u.states[1], <double *>u.states[2])
    else:
        adam_range(at, rule, <float *>u.weight, <const float *>u.grad, <float *>u.states[0],
                   <float *>u.states[1], <float *>u.states[2])


cdef inline void adam_range(const Chunk *at, const AdamRule *rule, real *w, const real *g, real *m,
                            real *v, real *largest) noexcept nogil:
    cdef real beta1 = <real>rule.beta1, new1 = <real>(1 - rule.beta1)
    cdef real beta2 = <real>rule.beta2, new2 = <real>(1 - rule.beta2)
    cdef real eps = <real>rule.eps, decay = <real>rule.decay, keep = <real>rule.keep
    cdef real rate = <real>rule.rates[2 * at.weight], scale = <real>rule.rates[2 * at.weight + 1]
    cdef real slope
    cdef Py_ssize_t i
    if largest:
        for i in range(at.start, at.start + at.size):
            slope = g[i] + decay * w[i]
            m[i] = beta1 * m[i] + new1 * slope
            v[i] = beta2 * v[i] + new2 * slope * slope
            # Written so that NaN is taken over.
            largest[i] = largest[i] if largest[i] >= v[i] else v[i]
            w[i] = keep * w[i] - rate * (m[i] / (root(largest[i]) * scale + eps))
    else:
        for i in range(at.start, at.start + at.size):
            slope = g[i] + decay * w[i]
            m[i] = beta1 * m[i] + new1 * slope
            v[i] = beta2 * v[i] + new2 * slope * slope
            w[i] = keep * w[i] - rate * (m[i] / (root(v[i]) * scale + eps))


cdef void rmsprop_chunk(const Chunk *at, const void *options) noexcept nogil:
    cdef const RMSpropRule *rule = <const RMSpropRule *>options
    cdef const Update *u = at.update
    if u.is_double:
        rmsprop_range(at, rule, <double *>u.weight, <const double *>u.grad, <double *>u.states[0],
                      <double *>u.states[1], <double *>u.states[2])
    else:
        rmsprop_range(at, rule, <float *>u.weight, <const float *>u.grad, <float *>u.states[0],
                      <float *>u.states[1], <float *>u.states[2])


cdef inline void rmsprop_range(const Chunk *at, const RMSpropRule *rule, real *w, const real *g,
                               real *v, real *a, real *b) noexcept nogil:
    cdef real lr = <real>rule.lr, alpha = <real>rule.alpha, new = <real>(1 - rule.alpha)
    cdef real eps = <real>rule.eps, decay = <real>rule.weight_decay
    cdef real momentum = <real>rule.momentum, slope
    cdef Py_ssize_t i
    # A loop for each case: with conditions inside, one would read memory that it does not need.
    if rule.centered and rule.momentum:
        for i in range(at.start, at.start + at.size):
            slope = g[i] + decay * w[i]
            v[i] = alpha * v[i] + new * slope * slope
            a[i] = alpha * a[i] + new * slope
            b[i] = momentum * b[i] + slope / (root(variance(v[i], a[i])) + eps)
            w[i] = w[i] - lr * b[i]
    elif rule.centered:
        for i in range(at.start, at.start + at.size):
            slope = g[i] + decay * w[i]
            v[i] = alpha * v[i] + new * slope * slope
            a[i] = alpha * a[i] + new * slope
            w[i] = w[i] - lr * (slope / (root(variance(v[i], a[i])) + eps))
    elif rule.momentum:
        for i in range(at.start, at.start + at.size):
            slope = g[i] + decay * w[i]
            v[i] = alpha * v[i] + new * slope * slope
            b[i] = momentum * b[i] + slope / (root(v[i]) + eps)
            w[i] = w[i] - lr * b[i]
    else:
        for i in range(at.start, at.start + at.size):
            slope = g[i] + decay * w[i]
            v[i] = alpha * v[i] + new * slope * slope
            w[i] = w[i] - lr * (slope / (root(v[i]) + eps))


cdef inline real variance(real v, real a) noexcept nogil:
    """v - a**2, the mean square less the square of the mean: not below 0, as rounding may have it.

    The square of a NaN is a NaN.
    """
    cdef real rest = v - a * a
    return <real>0 if rest < <real>0 else rest


cdef void average_chunk(const Chunk *at, const void *decay) noexcept nogil:
    cdef const Update *u = at.update
    if u.is_double:
        average_range(at, (<const double *>decay)[0], <double *>u.weight, <const double *>u.grad)
    else:
        average_range(at, (<const double *>decay)[0], <float *>u.weight, <const float *>u.grad)


cdef inline void average_range(const Chunk *at, double decay, real *a,
                               const real *x) noexcept nogil:
    cdef real old = <real>decay, new = <real>(1 - decay)
    cdef Py_ssize_t i
    # By the difference: an average of equal numbers stays that number, and with decay 0 it is x.
    if decay < 0.5:
        for i in range(at.start, at.start + at.size):
            a[i] = x[i] - old * (x[i] - a[i])
    else:
        for i in range(at.start, at.start + at.size):
            a[i] = a[i] + new * (x[i] - a[i])


cdef inline real root(real x) noexcept nogil:
    if real is float:
        return sqrtf(x)
    else:
        return sqrt(x)
