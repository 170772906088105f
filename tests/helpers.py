"""How close is close enough, and the same numbers laid out in memory in many ways."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

TESTS = Path(__file__).parent

# Of the scale of the result, for short sums; see assert_close.
TOLERANCE = {np.dtype(np.float32): 4e-6, np.dtype(np.float64): 1e-14}


def assert_close(actual, expected, terms=1, err_msg=""):
    """Each element is a sum of `terms` products of numbers of order 1, correctly added up.

    Rounding errors of such a sum grow like the square root of its length times its own scale, so
    the bound is relative to the scale of the whole result and not to elements that happen to be
    near zero.
    """
    assert actual.dtype in TOLERANCE, f"dtype {actual.dtype}"
    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}"
    if expected.size == 0:
        return
    root = np.sqrt(max(terms, 1))
    scale = max(np.abs(expected).max(), root)
    bound = TOLERANCE[actual.dtype] * scale * (1 + root / 30)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=bound, err_msg=err_msg)


def normal(rng, dtype, *shape):
    return rng.standard_normal(shape).astype(dtype)


def whole(rng, dtype, *shape):
    """Small whole numbers: their sums of products are exact, in any order."""
    return rng.integers(-4, 5, shape).astype(dtype)


IMAGE_KINDS = [np.uint8, np.float32, np.float64]


def images_of(kind, *shape, seed=0):
    return np.random.default_rng(seed).integers(1, 256, shape).astype(kind)


# --- memory layouts ------------------------------------------------------------------------

def channels_last(x):
    """The memory runs N, H, W, C."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def sliced(x):
    """Every second element, along every axis, of a larger array full of NaN or 99."""
    large = np.full([2 * n + 1 for n in x.shape], np.nan if x.dtype.kind == "f" else 99, x.dtype)
    view = large[tuple(slice(1, None, 2) for _ in x.shape)]
    view[...] = x
    return view


def reversed_axes(x):
    """All strides negative."""
    back = tuple(slice(None, None, -1) for _ in x.shape)
    return np.ascontiguousarray(x[back])[back]


def reversed_channels_last(x):
    view = channels_last(x[:, ::-1])
    return view[:, ::-1]


def transposed(x):
    """The last two axes swapped in memory."""
    return np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2)


def read_only(x):
    y = x.copy()
    y.flags.writeable = False
    return y


def memory_mapped(x):
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file.name, x)
        return np.load(file.name, mmap_mode="r")        # the mapping outlives the file's name


def misaligned(x):
    raw = np.empty(x.nbytes + 1, np.uint8)
    view = raw[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


def byte_swapped(x):
    return x.astype(x.dtype.newbyteorder())


# These need more than one axis.
MATRIX_LAYOUTS = {function.__name__: function for function in (
    channels_last, reversed_channels_last, transposed, np.asfortranarray)}
LAYOUTS = MATRIX_LAYOUTS | {function.__name__: function for function in (
    sliced, reversed_axes, read_only, memory_mapped, misaligned, byte_swapped)}


# --- other processes -----------------------------------------------------------------------

def environment_with(**variables):
    """This process's environment with `variables`, without those that are None.

    The tests' modules can be imported.
    """
    paths = [os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep)
             if path]
    all_ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *paths]), **variables}
    return {name: value for name, value in all_.items() if value is not None}


def run_python(*arguments, timeout=60, **variables):
    """Run this Python with `variables` in its environment; the finished process, with its output.

    It runs in this folder and, as the tests do, imports its modules, and cycnn as installed.
    """
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=TESTS,
                          timeout=timeout, env=environment_with(**variables))
