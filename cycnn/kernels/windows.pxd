"""The windows of pools, as windows.h describes them."""

cdef extern from "windows.h" nogil:
    ctypedef struct Window "pool_window":
        Py_ssize_t height, width, channels, out_height, out_width
        Py_ssize_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w
        Py_ssize_t inner, outer, relu


cdef inline void lay_over(Window *w, Py_ssize_t height, Py_ssize_t width, Py_ssize_t out_height,
                          Py_ssize_t out_width, Py_ssize_t channels) noexcept nogil:
    """The rest of a window whose options are there: the images."""
    cdef Py_ssize_t last
    w.height, w.width, w.out_height, w.out_width = height, width, out_height, out_width
    w.channels, w.relu = channels, False
    w.inner = (w.pad_w + w.stride_w - 1) // w.stride_w
    last = w.width + w.pad_w - (w.kernel_w - 1) * w.dilation_w - 1
    w.outer = min(w.out_width, last // w.stride_w + 1) if last >= 0 else 0
