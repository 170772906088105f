"""`cycnn.kernels.api` as a C program sees it: through ctypes, so that no compiler is needed here.

ctypes releases the GIL around a function of CFUNCTYPE, and holds it around one of PYFUNCTYPE, which
also raises what the function has raised.
"""

import ctypes

import numpy as np

from cycnn.kernels import api

SIZE = ctypes.c_ssize_t


class Conv2d(ctypes.Structure):
    _fields_ = [(name, SIZE) for name in (
        "n", "channels", "height", "width", "out_channels", "kernel_h", "kernel_w", "stride_h",
        "stride_w", "padding_h", "padding_w", "dilation_h", "dilation_w", "groups", "algorithm",
        "out_height", "out_width")]
    _fields_ += [("kernels", SIZE * 6), ("seal", SIZE), ("reserved", SIZE * 8)]


class MaxPool2d(ctypes.Structure):
    _fields_ = [(name, SIZE) for name in (
        "n", "channels", "height", "width", "kernel_h", "kernel_w", "stride_h", "stride_w",
        "padding_h", "padding_w", "dilation_h", "dilation_w", "ceil_mode", "out_height",
        "out_width", "winner_size", "seal")]
    _fields_ += [("reserved", SIZE * 8)]


_PARTS = {"conv2d_forward": 4, "conv2d_backward": 6, "max_pool2d_forward": 3,
          "max_pool2d_backward": 3}


def signature(name):
    """The C type of one of the functions, as a Cython module that cimports it checks it."""
    get = ctypes.pythonapi.PyCapsule_GetName
    get.restype, get.argtypes = ctypes.c_char_p, [ctypes.py_object]
    return get(api.__pyx_capi__[name]).decode()


def _function(name, kind, result, *arguments):
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    capsule = api.__pyx_capi__[name]
    return kind(result, *arguments)(get(capsule, signature(name).encode()))


_conv2d = _function("conv2d", ctypes.CFUNCTYPE, Conv2d, *[SIZE] * 7)
_max_pool2d = _function("max_pool2d", ctypes.CFUNCTYPE, MaxPool2d, *[SIZE] * 6)
_plans = {struct: _function(f"{name}_plan", ctypes.PYFUNCTYPE, ctypes.c_int, ctypes.c_void_p)
          for name, struct in (("conv2d", Conv2d), ("max_pool2d", MaxPool2d))}
_calls = {(name, suffix, kind): _function(f"{name}_{suffix}", kind, ctypes.c_int, ctypes.c_void_p,
                                          *[ctypes.c_void_p] * parts, ctypes.c_int)
          for name, parts in _PARTS.items() for suffix in ("f32", "f64")
          for kind in (ctypes.CFUNCTYPE, ctypes.PYFUNCTYPE)}


def plan(struct):
    _plans[type(struct)](ctypes.byref(struct))
    return struct


def new_conv2d(*sizes, **options):
    """A planned convolution; options by the names of the fields."""
    return _planned(_conv2d(*sizes), options)


def new_max_pool2d(*sizes, **options):
    return _planned(_max_pool2d(*sizes), options)


def _planned(struct, options):
    for name, value in options.items():
        setattr(struct, name, value)
    return plan(struct)


def call(name, struct, *arrays, threads=0, dtype=None, gil=False):
    """Call one of the functions with the arrays' addresses, None for NULL; without the GIL."""
    dtype = dtype or next(array.dtype for array in arrays if array is not None)
    suffix = {4: "f32", 8: "f64"}[np.dtype(dtype).itemsize]
    function = _calls[name, suffix, ctypes.PYFUNCTYPE if gil else ctypes.CFUNCTYPE]
    address = None if struct is None else ctypes.addressof(struct)
    return function(address, *[None if array is None else array.ctypes.data for array in arrays],
                    threads)


class Guarded:
    """Memory for a result with numbers on both sides that nobody may write over."""

    GUARD = 16

    def __init__(self, shape, dtype):
        size = int(np.prod(shape, dtype=object))
        self.whole = np.full(size + 2 * self.GUARD, 77, dtype)
        self.array = self.whole[self.GUARD:self.GUARD + size].reshape(shape)

    def checked(self):
        assert (self.whole[:self.GUARD] == 77).all() and (self.whole[-self.GUARD:] == 77).all()
        return self.array
