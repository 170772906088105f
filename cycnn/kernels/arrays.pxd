cdef enum:
    MOST_AXES = 8

cdef class Seen:
    cdef type kind
    cdef int ndim
    cdef Py_ssize_t shape[MOST_AXES]
    cdef Py_ssize_t strides[MOST_AXES]
    cdef char format

    cpdef bint like(self, x) except -1
