"""What an array is like: looked at for every array of every layer in every step."""

from cpython.buffer cimport PyBUF_FORMAT, PyBUF_STRIDES, PyBuffer_Release, PyObject_GetBuffer


cdef class Seen:
    """What an array was like that passed the checks: another like it needs none of them.

    Its class, shape, strides and type (float or double in this machine's byte order) are the same,
    and its numbers lie where the processor wants them.
    """

    def __init__(self, x):
        cdef Py_buffer buffer
        cdef int i
        self.kind, self.ndim = type(x), -1
        PyObject_GetBuffer(x, &buffer, PyBUF_STRIDES | PyBUF_FORMAT)
        if buffer.ndim <= MOST_AXES and buffer.format[1] == 0:
            self.ndim, self.format = buffer.ndim, buffer.format[0]
            for i in range(buffer.ndim):
                self.shape[i], self.strides[i] = buffer.shape[i], buffer.strides[i]
        PyBuffer_Release(&buffer)

    cpdef bint like(self, x) except -1:
        cdef Py_buffer buffer
        cdef bint same
        cdef int i
        if type(x) is not self.kind:
            return False
        try:
            PyObject_GetBuffer(x, &buffer, PyBUF_STRIDES | PyBUF_FORMAT)
        except (BufferError, TypeError, ValueError):    # of a type that no buffer can have
            return False
        same = (buffer.ndim == self.ndim and buffer.format[0] == self.format
                and buffer.format[1] == 0 and <size_t>buffer.buf % <size_t>buffer.itemsize == 0)
        for i in range(self.ndim if same else 0):
            same = (same and buffer.shape[i] == self.shape[i]
                    and buffer.strides[i] == self.strides[i])
        PyBuffer_Release(&buffer)
        return same
