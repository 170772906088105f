"""The optimizers' updates: one pass over memory each."""

from cython.parallel cimport prange
from libc.stdlib cimport free, malloc

from .buffers cimport address

# Elements of one parallel task. A fixed length, so that where the vector loop of a task ends, and
# with it every rounding, does not depend on the number of threads.
cdef enum:
    CHUNK = 16384


cdef class Memory:
    """Where a weight, a vector, and what is kept for it, others as long, lie: asked once for all.

    Its gradients must be like `gradient`.
    """

    def __init__(self, weight, states, gradient):
        cdef int i
        self.arrays, self.gradient = (weight, *states), Seen(gradient)
        self.update.size = len(weight)
        self.update.is_double = weight.itemsize == sizeof(double)
        self.update.weight = address(weight)
        for i in range(MOST_STATES):
            self.update.states[i] = address(states[i]) if i < len(states) else NULL


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
    cdef Rule rule
    rule.lr, rule.momentum, rule.weight_decay = lr, momentum, weight_decay
    rule.nesterov, rule.first = nesterov, first
    run(weights, grads, sgd_chunk, &rule, threads)


cdef struct Rule:
    double lr
    double momentum
    double weight_decay
    bint nesterov
    bint first


cdef void sgd_chunk(const Chunk *at, const void *options) noexcept nogil:
    cdef const Rule *rule = <const Rule *>options
    cdef const Update *u = at.update
    if u.is_double:
        sgd_range(<double *>u.weight + at.start, 1., <const double *>u.grad + at.start,
                  <double *>u.states[0] + at.start, at.size, rule.lr, rule.momentum,
                  rule.weight_decay, rule.nesterov, rule.first)
    else:
        sgd_range(<float *>u.weight + at.start, <float>1, <const float *>u.grad + at.start,
                  <float *>u.states[0] + at.start, at.size, <float>rule.lr, <float>rule.momentum,
                  <float>rule.weight_decay, rule.nesterov, rule.first)


cdef int run(list weights, list grads, Task task, const void *rule, int threads) except -1:
    """`task` for every chunk of `weights` (Memory), with `grads` (arrays without gaps)."""
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
                    run_chunk(updates, i, task, rule)
            else:
                for i in prange(chunks, num_threads=threads, schedule="static"):
                    run_chunk(updates, i, task, rule)
    finally:
        free(updates)
    return 0


cdef void run_chunk(const Update *updates, Py_ssize_t chunk, Task task,
                    const void *rule) noexcept nogil:
    cdef Chunk at
    at.weight = 0
    while chunk >= updates[at.weight].end:
        at.weight += 1
    at.update = updates + at.weight
    cdef const Update *u = at.update
    # Its chunks are the last before its end.
    at.start = (chunk - u.end + (u.size + CHUNK - 1) // CHUNK) * CHUNK
    at.size = min(<Py_ssize_t>CHUNK, u.size - at.start)
    task(&at, rule)
