"""The optimizers' updates: one pass over memory each."""

from cython.parallel cimport prange
from libc.stdlib cimport free, malloc

from .arrays cimport Seen
from .buffers cimport address

# Elements of one parallel task. A fixed length, so that where the vector loop of a task ends, and
# with it every rounding, does not depend on the number of threads.
cdef enum:
    CHUNK = 16384

# What one step does to one weight.
cdef struct Update:
    char *weight
    const char *grad
    char *velocity
    Py_ssize_t size
    Py_ssize_t end              # of its chunks, in those of all weights
    bint is_double


cdef class Memory:
    """Where a weight, a vector, and its velocity, another or None, lie: asked once for all.

    Its gradients must be like `gradient`.
    """
    cdef object arrays
    cdef Seen gradient
    cdef Update update

    def __init__(self, weight, velocity, gradient):
        self.arrays, self.gradient = (weight, velocity), Seen(gradient)
        self.update.size = len(weight)
        self.update.is_double = weight.itemsize == sizeof(double)
        self.update.weight = address(weight)
        self.update.velocity = NULL if velocity is None else address(velocity)


def fit(list weights, list grads):
    """Whether each of `grads` is as its weight (Memory) needs it."""
    cdef Py_ssize_t i
    for i in range(len(weights)):
        if not (<Memory>weights[i]).gradient.like(grads[i]):
            return False
    return True


def size_of(list weights):
    """How many numbers `weights` (Memory) have together."""
    cdef Py_ssize_t size = 0, i
    for i in range(len(weights)):
        size += (<Memory>weights[i]).update.size
    return size


def sgd(list weights, list grads, double lr, double momentum, double weight_decay, bint nesterov,
        bint first, int threads):
    """v = momentum * v + (g + weight_decay * w);  w -= lr * v   (PyTorch's form).

    For each of `weights` (Memory) and `grads` (arrays without gaps). With `nesterov` the step is
    g + momentum * v; with `first` v is g itself. Without momentum there is no velocity.
    """
    cdef Py_ssize_t n = len(weights), chunks = 0, i
    cdef Update *updates = <Update *>malloc(max(n, 1) * sizeof(Update))
    if not updates:
        raise MemoryError("no memory for the list of weights")
    try:
        for i in range(n):
            updates[i] = (<Memory>weights[i]).update
            updates[i].grad = address(grads[i])
            chunks += (updates[i].size + CHUNK - 1) // CHUNK
            updates[i].end = chunks
        with nogil:
            # One thread does without OpenMP: a region of one thread costs as much as a small array.
            if threads == 1:
                for i in range(chunks):
                    sgd_chunk(updates, i, lr, momentum, weight_decay, nesterov, first)
            else:
                for i in prange(chunks, num_threads=threads, schedule="static"):
                    sgd_chunk(updates, i, lr, momentum, weight_decay, nesterov, first)
    finally:
        free(updates)


cdef void sgd_chunk(const Update *u, Py_ssize_t chunk, double lr, double momentum,
                    double weight_decay, bint nesterov, bint first) noexcept nogil:
    while chunk >= u.end:
        u += 1
    # Its chunks are the last before its end.
    cdef Py_ssize_t start = (chunk - u.end + (u.size + CHUNK - 1) // CHUNK) * CHUNK
    cdef Py_ssize_t n = min(<Py_ssize_t>CHUNK, u.size - start)
    if u.is_double:
        sgd_range(<double *>u.weight + start, 1., <const double *>u.grad + start,
                  <double *>u.velocity + start, n, lr, momentum, weight_decay, nesterov, first)
    else:
        sgd_range(<float *>u.weight + start, <float>1, <const float *>u.grad + start,
                  <float *>u.velocity + start, n, <float>lr, <float>momentum,
                  <float>weight_decay, nesterov, first)
