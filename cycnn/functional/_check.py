"""Argument checks: everything a public function is given passes through here, once.

Each check returns the value in the form that the kernels take, or raises a ValueError or TypeError
that names the argument, what it got and what it needs.
"""

import math
import operator

import numpy as np

from ..kernels import layout

_INT64 = np.dtype(np.int64)

#: The types that kernels are built for.
FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
FLOATS = frozenset({FLOAT32, FLOAT64})

# Beyond this a size cannot be right, and products of sizes would no longer fit the kernels'
# 64-bit indices.
_LARGEST_INT = 2**31 - 1
_LARGEST_ARRAY = 2**46


def floats(x, name, ndim=None, dtype=None):
    """`x` as an aligned float32 or float64 array in native byte order.

    Integers, booleans and float16 are converted: to `dtype` where it is given, else to float32.

    Raises
    ------
    TypeError
        If `x` does not hold real numbers, or is of the other floating-point type than `dtype`.
    ValueError
        If `x` has not `ndim` dimensions.
    """
    if type(x) is not np.ndarray:
        x = _array(x, name)
    # What a layer hands on, in one look.
    kind = x.dtype
    if ((kind is dtype or dtype is None and (kind is FLOAT32 or kind is FLOAT64))
            and (x.ndim == ndim or ndim is None) and x.flags.aligned):
        return x
    if x.dtype is not FLOAT32 and x.dtype is not FLOAT64:
        x = _to_floats(x, name, dtype or FLOAT32)
    if dtype is not None and x.dtype != dtype:
        raise TypeError(f"{name} must be {dtype} like the other arrays of this call, "
                        f"got {x.dtype}; convert it with .astype")
    if ndim is not None and x.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} dimensions{_MEANING.get(ndim, '')}, "
                         f"got shape {x.shape}")
    if not x.flags.aligned:
        x = x.copy()
    return x


def dense(x, name, ndim, dtype=None):
    """:func:`floats` in C order."""
    x = floats(x, name, ndim, dtype)
    return x if x.flags.c_contiguous else np.ascontiguousarray(x)


_MEANING = {4: " (N, C, H, W)", 2: " (N, features)", 1: ""}


def _array(x, name):
    try:
        return np.asarray(x)
    except ValueError as error:             # rows of different lengths
        raise ValueError(f"{name} must be an array: {error}") from None


def _to_floats(x, name, dtype):
    if x.dtype.kind == "f" and x.dtype.itemsize in (4, 8):      # the other byte order
        return x.astype(x.dtype.newbyteorder("="))
    if x.dtype.kind in "iub" or x.dtype.kind == "f" and x.dtype.itemsize == 2:
        return x.astype(dtype)
    raise TypeError(f"{name} must be an array of real numbers (float32 or float64; integers and "
                    f"float16 are converted), got dtype {x.dtype}")


def integers(x, name, ndim=None):
    """`x` as a native, contiguous int64 array.

    Raises
    ------
    TypeError
        If `x` is not of an integer type (floats are not rounded, NaN is no label).
    ValueError
        If `x` has not `ndim` dimensions, or holds a number beyond int64.
    """
    if (type(x) is np.ndarray and x.dtype is _INT64 and (x.ndim == ndim or ndim is None)
            and x.flags.carray):
        return x
    x = _array(x, name)
    if x.dtype.kind not in "iu" and x.size:
        raise TypeError(f"{name} must be an array of integers, got dtype {x.dtype}")
    if ndim is not None and x.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} dimension{'s' * (ndim != 1)}, "
                         f"got shape {x.shape}")
    if x.dtype == np.uint64 and x.size and x.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{name} holds {x.max()}, which does not fit int64")
    return np.ascontiguousarray(x, dtype=np.int64)


def integer(value, name, minimum):
    """`value` as an int of at least `minimum`."""
    if type(value) is int and minimum <= value <= _LARGEST_INT:
        return value
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if not minimum <= number <= _LARGEST_INT:
        raise ValueError(f"{name} must be an integer from {minimum} to {_LARGEST_INT}, "
                         f"got {number}")
    return number


def pair(value, name, minimum):
    """`value`, an int or two of them, as (vertical, horizontal)."""
    if isinstance(value, (tuple, list, np.ndarray)):
        if len(value) != 2:
            raise ValueError(f"{name} must be one integer or a pair, got {value!r}")
        return integer(value[0], name, minimum), integer(value[1], name, minimum)
    number = integer(value, name, minimum)
    return number, number


def number(value, name, minimum=None, below=None):
    """`value` as a finite float, at least `minimum` and less than `below`."""
    if (type(value) is float and minimum is not None
            and minimum <= value < (math.inf if below is None else below)):
        return value
    if isinstance(value, (str, bytes, bool, np.bool_)):
        raise TypeError(f"{name} must be a number, got {value!r}")
    try:
        result = float(value)
    except OverflowError:                   # it may have more digits than Python prints
        raise ValueError(f"{name} must be a finite number, got one beyond the range of a "
                         "float") from None
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {value!r}") from None
    if (not math.isfinite(result) or (minimum is not None and result < minimum)
            or (below is not None and result >= below)):
        bounds = "" if minimum is None else f" of at least {minimum}"
        bounds += "" if below is None else f" and below {below}"
        raise ValueError(f"{name} must be a finite number{bounds}, got {value!r}")
    return result


def positive(value, name):
    """`value` as a finite float above 0."""
    result = number(value, name, 0)
    if result == 0:
        raise ValueError(f"{name} must be above 0, got {value!r}")
    return result


def flag(value, name):
    """`value`, which is True, False, 1 or 0, as a bool."""
    if value is True or value is False:
        return value
    # Anything else is true or false to Python too, the word "False" and NaN among them.
    if not (isinstance(value, (np.bool_, int, np.integer)) and value in (0, 1)):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def shape(x, expected, name, meaning):
    """Raise unless `x.shape` is `expected`; `meaning` says where that shape comes from."""
    if x.shape != expected:
        raise ValueError(f"{name} must have shape {expected} ({meaning}), got {x.shape}")


def size(dims, name):
    """Raise if an array of these dimensions could not be addressed."""
    if math.prod(dims) > _LARGEST_ARRAY:
        raise ValueError(f"{name} is too large: an array of shape {tuple(dims)} cannot be held "
                         "in memory")


def option(value, name, minimum):
    """An int, a pair of ints or a string as it is, anything else as :func:`pair` makes of it.

    What comes back can be the key of a cache: there True and 1.0 would pass for 1. Its range is
    checked where the cache has nothing yet.
    """
    kind = type(value)
    if kind is int or kind is str or (kind is tuple and len(value) == 2
                                      and type(value[0]) is int and type(value[1]) is int):
        return value
    return pair(value, name, minimum)


def image_size(value, name):
    """`value` as a tuple of ints (N, C, H, W) that an array can have."""
    if not isinstance(value, (tuple, list, np.ndarray)) or len(value) != 4:
        raise ValueError(f"{name} must be (N, C, H, W), got {value!r}")
    n, c, h, w = value
    if not (type(value) is tuple and type(n) is type(c) is type(h) is type(w) is int
            and min(value) >= 0 and max(value) <= _LARGEST_INT):
        value = tuple([integer(dim, name, 0) for dim in value])
    size(value, name)
    return value


def in_range(numbers, end, name, meaning):
    """Raise unless all `numbers` (contiguous int64) are at least 0 and below `end`."""
    position = layout.first_outside(numbers, numbers.size, end)
    if position >= 0:
        raise ValueError(f"{name} must be at least 0 and below {end} ({meaning}), "
                         f"got {numbers.reshape(-1)[position]}")


def by_dtype(kernel):
    """{dtype: the kernel compiled for it}; a look-up costs less than Cython's own dispatch."""
    return {FLOAT32: kernel["float"], FLOAT64: kernel["double"]}
