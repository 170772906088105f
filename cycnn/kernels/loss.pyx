"""Softmax, cross-entropy and the mean squared error."""

from cython.parallel cimport prange
from libc.math cimport log
from libc.stdlib cimport free, malloc

from cycnn.kernels cimport fastmath
from cycnn.kernels.buffers cimport address
from cycnn.kernels.fastmath cimport real

# A parallel task is a fixed number of rows (elements, for the squared error), so that no rounding
# depends on the number of threads. LANES sums run side by side, which vector units need.
cdef enum:
    ROWS = 16
    LANES = 8

cpdef enum:
    CHUNK = 8192

# One thread runs the loops below without OpenMP: to open a parallel region of one thread costs as
# much as a small array.


def softmax(const real[:, ::1] x, real[:, ::1] y, int threads):
    """Each row of y = exp(x - max(x)) / sum of the same."""
    cdef Py_ssize_t rows = x.shape[0], classes = x.shape[1], tasks = (rows + ROWS - 1) // ROWS, i
    cdef const real *px = &x[0, 0]
    cdef real *py = &y[0, 0]
    with nogil:
        if threads == 1:
            for i in range(tasks):
                softmax_rows(px, py, rows, classes, i)
        else:
            for i in prange(tasks, num_threads=threads, schedule="static"):
                softmax_rows(px, py, rows, classes, i)


def softmax_backward(const real[:, ::1] dy, const real[:, ::1] y, real[:, ::1] dx, int threads):
    """Each row of dx = y * (dy - sum(dy * y))."""
    cdef Py_ssize_t rows = y.shape[0], classes = y.shape[1], tasks = (rows + ROWS - 1) // ROWS, i
    cdef const real *pdy = &dy[0, 0]
    cdef const real *py = &y[0, 0]
    cdef real *pdx = &dx[0, 0]
    with nogil:
        if threads == 1:
            for i in range(tasks):
                softmax_backward_rows(pdy, py, pdx, rows, classes, i)
        else:
            for i in prange(tasks, num_threads=threads, schedule="static"):
                softmax_backward_rows(pdy, py, pdx, rows, classes, i)


def cross_entropy(logits, labels, gradient, Py_ssize_t rows, Py_ssize_t classes, int size,
                  int threads):
    """The mean over the rows of log(sum(exp(logits[i]))) - logits[i, labels[i]], and its gradient.

    logits and gradient are (rows, classes), floats of `size` bytes; labels are int64. None if a
    label is no class.
    """
    cdef const char *x = address(logits)
    cdef const long long *label = <const long long *>address(labels)
    cdef char *g = address(gradient)
    cdef double *losses
    cdef double result
    cdef Py_ssize_t i
    for i in range(rows):
        if not 0 <= label[i] < classes:
            return None
    losses = <double *>malloc(rows * sizeof(double))
    if not losses:
        raise MemoryError("no memory for the losses of a batch")
    with nogil:
        if size == sizeof(float):
            cross_entropy_tasks(<const float *>x, label, <float *>g, losses, rows, classes, threads)
        else:
            cross_entropy_tasks(<const double *>x, label, <double *>g, losses, rows, classes,
                                threads)
        result = total(VALUE, losses, losses, rows)
        free(losses)
    return result / rows


cdef void cross_entropy_tasks(const real *x, const long long *label, real *g, double *losses,
                              Py_ssize_t rows, Py_ssize_t classes, int threads) noexcept nogil:
    cdef Py_ssize_t tasks = (rows + ROWS - 1) // ROWS, i
    if threads == 1:
        for i in range(tasks):
            cross_entropy_rows(x, label, g, losses, rows, classes, i)
    else:
        for i in prange(tasks, num_threads=threads, schedule="static"):
            cross_entropy_rows(x, label, g, losses, rows, classes, i)


def squared_error(const real[::1] prediction, const real[::1] target, double[::1] partial,
                  int threads):
    """The mean of (prediction - target)**2; `partial` has a place for each CHUNK elements."""
    cdef Py_ssize_t n = prediction.shape[0], chunks = (n + CHUNK - 1) // CHUNK, i
    cdef const real *p = &prediction[0]
    cdef const real *t = &target[0]
    cdef double *sums = &partial[0]
    cdef double result
    with nogil:
        if threads == 1:
            for i in range(chunks):
                sums[i] = total(SQUARE, p + i * CHUNK, t + i * CHUNK, min(CHUNK, n - i * CHUNK))
        else:
            for i in prange(chunks, num_threads=threads, schedule="static"):
                sums[i] = total(SQUARE, p + i * CHUNK, t + i * CHUNK, min(CHUNK, n - i * CHUNK))
        result = total(VALUE, sums, sums, chunks)
    return result / n


def squared_error_backward(const real[::1] prediction, const real[::1] target, real[::1] gradient,
                           int threads):
    """gradient = 2 (prediction - target) / n."""
    cdef Py_ssize_t n = prediction.shape[0], chunks = (n + CHUNK - 1) // CHUNK, i
    cdef const real *p = &prediction[0]
    cdef const real *t = &target[0]
    cdef real *g = &gradient[0]
    with nogil:
        if threads == 1:
            for i in range(chunks):
                squared_error_chunk_backward(p, t, g, n, i)
        else:
            for i in prange(chunks, num_threads=threads, schedule="static"):
                squared_error_chunk_backward(p, t, g, n, i)


cdef inline real largest(const real *x, Py_ssize_t n) noexcept nogil:
    """The maximum; NaN where there is one."""
    cdef real top = x[0]
    cdef Py_ssize_t i
    for i in range(1, n):
        top = x[i] if x[i] > top or x[i] != x[i] else top
    return top


cdef enum Term:
    VALUE           # x
    PRODUCT         # x * y
    SQUARE          # (x - y)**2


cdef inline double term(Term kind, double x, double y) noexcept nogil:
    return x if kind == VALUE else x * y if kind == PRODUCT else (x - y) * (x - y)


cdef inline double total(Term kind, const real *x, const real *y, Py_ssize_t n) noexcept nogil:
    """The sum of the terms in double, in an order that depends on n alone."""
    cdef double lane[LANES]
    cdef double result = 0
    cdef Py_ssize_t i, j, whole = n - n % LANES
    for j in range(LANES):
        lane[j] = 0
    for i in range(n // LANES):
        for j in range(LANES):
            lane[j] += term(kind, x[i * LANES + j], y[i * LANES + j])
    for i in range(whole, n):
        lane[i - whole] += term(kind, x[i], y[i])
    for j in range(LANES):
        result += lane[j]
    return result


cdef inline void exponentials(const real *x, real *y, Py_ssize_t rows,
                              Py_ssize_t classes) noexcept nogil:
    """y = exp(x - the row's maximum); the exponentials of all rows in one long vector loop."""
    cdef Py_ssize_t i, j
    cdef real top
    for i in range(rows):
        top = largest(x + i * classes, classes)
        for j in range(classes):
            y[i * classes + j] = x[i * classes + j] - top
    for j in range(rows * classes):
        y[j] = fastmath.exp(y[j])


cdef inline void softmax_rows(const real *x, real *y, Py_ssize_t rows, Py_ssize_t classes,
                              Py_ssize_t task) noexcept nogil:
    cdef Py_ssize_t start = task * ROWS, i, j
    rows = min(ROWS, rows - start)
    x, y = x + start * classes, y + start * classes
    cdef real scale
    exponentials(x, y, rows, classes)
    for i in range(rows):
        scale = <real>(1 / total(VALUE, y, y, classes))
        for j in range(classes):
            y[j] = y[j] * scale
        y += classes


cdef inline void softmax_backward_rows(const real *dy, const real *y, real *dx, Py_ssize_t rows,
                                       Py_ssize_t classes, Py_ssize_t task) noexcept nogil:
    cdef Py_ssize_t start = task * ROWS, i, j
    cdef real mean
    rows = min(ROWS, rows - start)
    dy, y, dx = dy + start * classes, y + start * classes, dx + start * classes
    for i in range(rows):
        mean = <real>total(PRODUCT, dy, y, classes)
        for j in range(classes):
            dx[j] = y[j] * (dy[j] - mean)
        dy, y, dx = dy + classes, y + classes, dx + classes


cdef inline void cross_entropy_rows(const real *x, const long long *label, real *g, double *loss,
                                    Py_ssize_t rows, Py_ssize_t classes,
                                    Py_ssize_t task) noexcept nogil:
    cdef Py_ssize_t start = task * ROWS, i, j
    cdef double weight = 1. / rows, top, all_of_it, right
    cdef real scale
    rows = min(ROWS, rows - start)
    x, g, label, loss = x + start * classes, g + start * classes, label + start, loss + start
    exponentials(x, g, rows, classes)
    for i in range(rows):
        top = largest(x, classes)
        all_of_it = total(VALUE, g, g, classes)
        loss[i] = log(all_of_it) + (top - x[label[i]])
        scale = <real>(weight / all_of_it)
        right = g[label[i]]
        for j in range(classes):
            g[j] = g[j] * scale
        # In double: for a sure answer the softmax is so near 1 that float would lose the rest.
        g[label[i]] = <real>((right - all_of_it) / all_of_it * weight)
        x, g = x + classes, g + classes


cdef inline void squared_error_chunk_backward(const real *p, const real *t, real *g, Py_ssize_t n,
                                              Py_ssize_t chunk) noexcept nogil:
    cdef Py_ssize_t i
    cdef real scale = <real>(2. / n)
    for i in range(chunk * CHUNK, min((chunk + 1) * CHUNK, n)):
        g[i] = scale * (p[i] - t[i])
