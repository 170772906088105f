"""The number of threads, for kernels that are called without the GIL."""

cdef int threads_wanted(int number, double work) noexcept nogil
