"""One piece of memory over and over."""

from libc.string cimport memcpy

# Bytes beyond which a piece grows no further: in the first-level cache it is at hand.
cdef enum:
    LONGEST = 4096


cdef inline void repeat(char *y, Py_ssize_t piece, Py_ssize_t size) noexcept nogil:
    """The first `piece` bytes of y again and again, up to `size`."""
    cdef Py_ssize_t done = piece
    while done < size:
        memcpy(y + done, y, min(piece, size - done))
        done += piece
        if piece < LONGEST:
            piece = done                # as much again as there is
