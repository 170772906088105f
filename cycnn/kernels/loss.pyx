"""Softmax and cross-entropy."""

from cython.parallel cimport prange
from libc.math cimport log
from libc.stdlib cimport free, malloc

from cycnn.kernels cimport fastmath
from cycnn.kernels.buffers cimport address
from cycnn.kernels.fastmath cimport real
from .sums cimport PRODUCT, VALUE, total

# A parallel task is a fixed number of rows, so that no rounding depends on the number of threads.
cdef enum:
    ROWS = 16

# One thread runs the loops below without OpenMP: to open a parallel region of one thread costs as
# much as a small array. Logits and what is made of them are (rows, classes) in C order, floats of
# `size` bytes.


def softmax(x, y, Py_ssize_t rows, Py_ssize_t classes, int size, int threads):
    """Each row of y = exp(x - max(x)) / sum of the same."""
    cdef const char *px = address(x)
    cdef char *py = address(y)
    cdef Py_ssize_t tasks = (rows + ROWS - 1) // ROWS, i
    with nogil:
        if threads == 1:
            for i in range(tasks):
                softmax_task(px, py, rows, classes, i, size)
        else:
            for i in prange(tasks, num_threads=threads, schedule="static"):
                softmax_task(px, py, rows, classes, i, size)


def softmax_backward(dy, y, dx, Py_ssize_t rows, Py_ssize_t classes, int size, int threads):
    """Each row of dx = y * (dy - sum(dy * y))."""
    cdef const char *pdy = address(dy)
    cdef const char *py = address(y)
    cdef char *pdx = address(dx)
    cdef Py_ssize_t tasks = (rows + ROWS - 1) // ROWS, i
    with nogil:
        if threads == 1:
            for i in range(tasks):
                softmax_backward_task(pdy, py, pdx, rows, classes, i, size)
        else:
            for i in prange(tasks, num_threads=threads, schedule="static"):
                softmax_backward_task(pdy, py, pdx, rows, classes, i, size)


def cross_entropy(logits, labels, gradient, Py_ssize_t rows, Py_ssize_t classes, int size,
                  int threads):
    """The mean over the rows of log(sum(exp(logits[i]))) - logits[i, labels[i]], and its gradient.

    Labels are int64. None if a label is no class.
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


# What is the same for all rows of a cross-entropy with options.
cdef struct Options:
    const char *logits
    const long long *labels     # NULL where there are
    const char *soft            # probabilities (rows, classes)
    const double *weights       # one a class, or NULL
    char *gradient
    double *losses
    Py_ssize_t rows
    Py_ssize_t classes
    long long ignored           # the label of rows that do not count
    double keep                 # what is left of a target,
    double spread               # and what every class gets of it: label smoothing
    double scale                # of the gradient


def cross_entropy_with(logits, labels, soft, weights, gradient, losses, Py_ssize_t rows,
                       Py_ssize_t classes, long long ignored, double smoothing, bint mean, int size,
                       int threads):
    """The loss of each row in `losses` (double), and the gradient of their sum or, `mean`, of mean.

    Labels are int64, or None and `soft` probabilities like logits. Returns the sum of the losses,
    what the mean divides it by (the weights of the labels, of soft ones the number of rows), and
    the number of rows that are not ignored. None if a label is no class.
    """
    cdef Options call
    cdef Py_ssize_t counted = rows, i
    cdef double share = rows, result
    call.rows, call.classes, call.ignored = rows, classes, ignored
    call.logits, call.gradient = address(logits), address(gradient)
    call.losses = <double *>address(losses)
    call.weights, call.soft, call.labels = NULL, NULL, NULL
    if weights is not None:
        call.weights = <const double *>address(weights)
    call.keep, call.spread = 1 - smoothing, smoothing / classes
    if labels is None:
        call.soft = address(soft)
    else:
        call.labels = <const long long *>address(labels)
        counted, share = 0, 0
        for i in range(rows):
            if call.labels[i] == ignored:
                continue
            if not 0 <= call.labels[i] < classes:
                return None
            counted += 1
            share += call.weights[call.labels[i]] if call.weights else 1
    call.scale = 1 / share if mean else 1
    with nogil:
        if threads == 1:
            for i in range((rows + ROWS - 1) // ROWS):
                optional_rows(&call, i, size)
        else:
            for i in prange((rows + ROWS - 1) // ROWS, num_threads=threads, schedule="static"):
                optional_rows(&call, i, size)
        result = total(VALUE, call.losses, call.losses, rows)
    return result, share, counted


cdef inline real largest(const real *x, Py_ssize_t n) noexcept nogil:
    """The maximum; NaN where there is one."""
    cdef real top = x[0]
    cdef Py_ssize_t i
    for i in range(1, n):
        top = x[i] if x[i] > top or x[i] != x[i] else top
    return top


cdef void exponentials(const real *x, real *y, Py_ssize_t rows,
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


cdef void softmax_task(const char *x, char *y, Py_ssize_t rows, Py_ssize_t classes,
                       Py_ssize_t task, int size) noexcept nogil:
    if size == sizeof(float):
        softmax_rows(<const float *>x, <float *>y, rows, classes, task)
    else:
        softmax_rows(<const double *>x, <double *>y, rows, classes, task)


cdef void softmax_rows(const real *x, real *y, Py_ssize_t rows, Py_ssize_t classes,
                       Py_ssize_t task) noexcept nogil:
    cdef Py_ssize_t start = task * ROWS, _i, j
    rows = min(ROWS, rows - start)
    x, y = x + start * classes, y + start * classes
    cdef real scale
    exponentials(x, y, rows, classes)
    for _i in range(rows):
        scale = <real>(1 / total(VALUE, y, y, classes))
        for j in range(classes):
            y[j] = y[j] * scale
        y += classes


cdef void softmax_backward_task(const char *dy, const char *y, char *dx, Py_ssize_t rows,
                                Py_ssize_t classes, Py_ssize_t task, int size) noexcept nogil:
    if size == sizeof(float):
        softmax_backward_rows(<const float *>dy, <const float *>y, <float *>dx, rows, classes,
                              task)
    else:
        softmax_backward_rows(<const double *>dy, <const double *>y, <double *>dx, rows, classes,
                              task)


cdef void softmax_backward_rows(const real *dy, const real *y, real *dx, Py_ssize_t rows,
                                Py_ssize_t classes, Py_ssize_t task) noexcept nogil:
    cdef Py_ssize_t start = task * ROWS, _i, j
    cdef real mean
    rows = min(ROWS, rows - start)
    dy, y, dx = dy + start * classes, y + start * classes, dx + start * classes
    for _i in range(rows):
        mean = <real>total(PRODUCT, dy, y, classes)
        for j in range(classes):
            dx[j] = y[j] * (dy[j] - mean)
        dy, y, dx = dy + classes, y + classes, dx + classes


cdef void cross_entropy_rows(const real *x, const long long *label, real *g, double *loss,
                             Py_ssize_t rows, Py_ssize_t classes,
                             Py_ssize_t task) noexcept nogil:
    cdef Py_ssize_t start = task * ROWS, i
    cdef double scale = 1. / rows
    rows = min(ROWS, rows - start)
    x, g, label, loss = x + start * classes, g + start * classes, label + start, loss + start
    exponentials(x, g, rows, classes)
    for i in range(rows):
        loss[i] = labelled_row(x, g, label[i], classes, 1, scale)
        x, g = x + classes, g + classes


cdef inline double labelled_row(const real *x, real *g, Py_ssize_t label, Py_ssize_t classes,
                                double weight, double scale) noexcept nogil:
    """The loss of a row times `weight`; g, its exponentials, becomes the gradient times `scale`."""
    cdef double all_of_it = total(VALUE, g, g, classes), right = g[label]
    cdef real factor = <real>(weight * scale / all_of_it)
    cdef Py_ssize_t j
    for j in range(classes):
        g[j] = g[j] * factor
    # In double: for a sure answer the softmax is so near 1 that float would lose the rest.
    g[label] = <real>((right - all_of_it) / all_of_it * (weight * scale))
    return weight * (log(all_of_it) + (largest(x, classes) - x[label]))


cdef void optional_rows(const Options *call, Py_ssize_t task, int size) noexcept nogil:
    if size == sizeof(float):
        rows_with(call, task, <const float *>call.logits, <const float *>call.soft,
                  <float *>call.gradient)
    else:
        rows_with(call, task, <const double *>call.logits, <const double *>call.soft,
                  <double *>call.gradient)


cdef void rows_with(const Options *call, Py_ssize_t task, const real *x, const real *soft,
                    real *g) noexcept nogil:
    cdef Py_ssize_t start = task * ROWS, classes = call.classes, i, j
    cdef Py_ssize_t end = min(call.rows, start + ROWS)
    cdef double top, all_of_it, whole, rest, target
    x, g = x + start * classes, g + start * classes
    if soft:
        soft += start * classes
    exponentials(x, g, end - start, classes)
    for i in range(start, end):
        if call.labels and call.labels[i] == call.ignored:
            call.losses[i] = 0
            for j in range(classes):
                g[j] = 0
        elif call.labels and call.spread == 0:
            call.losses[i] = labelled_row(x, g, call.labels[i], classes,
                                          call.weights[call.labels[i]] if call.weights else 1,
                                          call.scale)
        else:
            top = largest(x, classes)
            all_of_it = total(VALUE, g, g, classes)
            # -sum of target * log(softmax); a class that is not wanted may be as unlikely as it can
            whole, rest = 0, 0
            for j in range(classes):
                target = wanted(call, soft, i, j)
                whole += target
                rest += target * (top - x[j]) if target else 0
            call.losses[i] = whole * log(all_of_it) + rest
            rest = call.scale / all_of_it
            for j in range(classes):
                g[j] = <real>((whole * g[j] - all_of_it * wanted(call, soft, i, j)) * rest)
        x, g = x + classes, g + classes
        if soft:
            soft += classes


cdef inline double wanted(const Options *call, const real *soft, Py_ssize_t row,
                          Py_ssize_t j) noexcept nogil:
    """The target of class j, weighted; `soft` is the row of its probabilities."""
    cdef double target = soft[j] if soft else 1 if call.labels[row] == j else 0
    target = call.keep * target + call.spread
    return target * call.weights[j] if call.weights else target
