"""One direction of a convolution: which rows of the input each row of the output meets, and where.

Rows stand for columns too. What `conv.pyx` says of the two passes and their phases holds here.
"""

from libc.stdlib cimport malloc

from .convolution cimport Convolution

# The dst rows (or columns) first_dst, first_dst + dst_step, ... and the taps that reach them.
cdef struct Phase:
    Py_ssize_t first_dst
    Py_ssize_t first        # the grid row of first_dst; the next dst row is on the next grid row
    Py_ssize_t count
    Py_ssize_t n_taps
    Py_ssize_t *taps        # rows of the kernel, in the order of
    Py_ssize_t *offsets     # how many src rows below the grid row's origin they read

# One direction, vertical or horizontal. Grid row i has its origin at src row i * src_step + origin.
cdef struct Axis:
    Py_ssize_t src_size
    Py_ssize_t dst_size
    Py_ssize_t src_step     # forward: the stride; backward: 1
    Py_ssize_t dst_step     # forward: 1; backward: the stride
    Py_ssize_t origin       # below 0 in the padding
    Py_ssize_t padding      # dst rows before the first grid row: grid row i begins with dst row
                            # i * dst_step - padding
    Py_ssize_t extent       # the largest tap offset
    Py_ssize_t first        # grid rows: first <= i < end
    Py_ssize_t end
    Py_ssize_t n_phases
    Phase *phases


cdef inline void forward_axis(Axis *axis, Py_ssize_t src_size, Py_ssize_t dst_size,
                              Py_ssize_t kernel, Py_ssize_t stride, Py_ssize_t padding,
                              Py_ssize_t dilation, Phase *phase, Py_ssize_t *taps) noexcept nogil:
    """Row h of y meets, with tap u, row h * stride - padding + u * dilation of x."""
    cdef Py_ssize_t u
    axis.src_size, axis.dst_size = src_size, dst_size
    axis.src_step, axis.dst_step = stride, 1
    axis.origin, axis.extent, axis.padding = -padding, (kernel - 1) * dilation, 0
    axis.first, axis.end = 0, dst_size
    axis.n_phases, axis.phases = 1, phase
    phase.first_dst, phase.first, phase.count = 0, 0, dst_size
    phase.n_taps, phase.taps, phase.offsets = kernel, taps, taps + kernel
    for u in range(kernel):
        phase.taps[u] = u
        phase.offsets[u] = u * dilation


cdef inline void backward_axis(Axis *axis, Py_ssize_t src_size, Py_ssize_t dst_size,
                               Py_ssize_t kernel, Py_ssize_t stride, Py_ssize_t padding,
                               Py_ssize_t dilation, Phase *phases,
                               Py_ssize_t *taps) noexcept nogil:
    """Row h of dx meets, with tap u, row (h + padding - u * dilation) / stride of dy, if whole.

    The grid row of h is (h + padding) // stride.
    """
    cdef Py_ssize_t u, first, remainder
    cdef Phase *phase
    axis.src_size, axis.dst_size = src_size, dst_size
    axis.src_step, axis.dst_step = 1, stride
    axis.extent = (kernel - 1) * dilation // stride
    axis.origin, axis.padding = -axis.extent, padding
    axis.first, axis.end = padding // stride, (dst_size - 1 + padding) // stride + 1
    axis.n_phases, axis.phases = min(stride, dst_size), phases
    for first in range(axis.n_phases):
        phase = phases + first
        phase.first_dst, phase.first = first, (first + padding) // stride
        phase.count = (dst_size - first + stride - 1) // stride
        phase.n_taps = 0
        phase.taps = taps + 2 * first * kernel
        phase.offsets = phase.taps + kernel
        remainder = (first + padding) % stride
        for u in range(kernel - 1, -1, -1):
            if (u * dilation - remainder) % stride == 0:
                phase.taps[phase.n_taps] = u
                phase.offsets[phase.n_taps] = axis.extent - (u * dilation - remainder) // stride
                phase.n_taps += 1


cdef inline void *forward_axes(Axis *rows, Axis *columns, const Convolution *c) except NULL nogil:
    """Both directions of the forward pass; returns what to free."""
    cdef void *block = malloc(2 * sizeof(Phase)
                              + 2 * (c.kernel_h + c.kernel_w) * sizeof(Py_ssize_t))
    cdef Phase *phases = <Phase *>block
    cdef Py_ssize_t *taps = <Py_ssize_t *>(phases + 2)
    if not block:
        with gil:
            raise MemoryError("no memory for the taps of a convolution")
    forward_axis(rows, c.height, c.out_height, c.kernel_h, c.stride_h, c.top, c.dilation_h, phases,
                 taps)
    forward_axis(columns, c.width, c.out_width, c.kernel_w, c.stride_w, c.left, c.dilation_w,
                 phases + 1, taps + 2 * c.kernel_h)
    return block


cdef inline void *backward_axes(Axis *rows, Axis *columns, const Convolution *c) except NULL nogil:
    """The same for the input gradient: the rows of dy are src, those of dx are dst."""
    cdef Py_ssize_t phases_h = min(c.stride_h, c.height), phases_w = min(c.stride_w, c.width)
    cdef void *block = malloc(
        (phases_h + phases_w) * sizeof(Phase)
        + 2 * (phases_h * c.kernel_h + phases_w * c.kernel_w) * sizeof(Py_ssize_t))
    cdef Phase *phases = <Phase *>block
    cdef Py_ssize_t *taps = <Py_ssize_t *>(phases + phases_h + phases_w)
    if not block:
        with gil:
            raise MemoryError("no memory for the taps of a convolution")
    backward_axis(rows, c.out_height, c.height, c.kernel_h, c.stride_h, c.top, c.dilation_h, phases,
                  taps)
    backward_axis(columns, c.out_width, c.width, c.kernel_w, c.stride_w, c.left, c.dilation_w,
                  phases + phases_h, taps + 2 * phases_h * c.kernel_h)
    return block
