"""Memory for results, used again as soon as nobody holds the result that had it.

A training step makes the same large arrays over and over. Fresh memory from the operating system
costs about as much as the convolution that fills it: every page is zeroed on first use, and the C
library gives large blocks back when they are freed. So large blocks are kept here, by size, and one
whose array (with all of its views) is gone serves the next array of that size.
"""

import sys
import threading
from functools import partial
from math import prod

import numpy as np

_SMALLEST = 1 << 16         # bytes; below, malloc itself is fast
_FORGET_AFTER = 512         # requests; a block not used for that long is given back
_CACHE_LINE = 64

# References to a block that no array uses: the list's, the loop's and getrefcount's own.
_UNUSED = 3


class _Blocks(threading.local):
    """One thread's blocks: no lock, and no thread is handed another one's memory while it looks."""

    def __init__(self):
        super().__init__()
        self.by_size = {}       # bytes -> [[block, its first aligned byte, last use], ...]
        self.requests = 0


_blocks = _Blocks()
# Without a global lock another thread may drop its last view while this one counts.
_reuse = getattr(sys, "_is_gil_enabled", lambda: True)()


def aligned(x):
    """A copy of `x` in C order, for what is kept, that begins on a cache line.

    NumPy's own memory begins 16 bytes into one, and every vector load from it takes two lines.
    """
    block = np.empty(x.nbytes + _CACHE_LINE, np.uint8)
    copy = np.ndarray(x.shape, x.dtype, block, -block.ctypes.data % _CACHE_LINE)
    copy[...] = x
    return copy


def empty(shape, dtype):
    """Like `np.empty`, in C order: the content is arbitrary."""
    size = prod(shape) * dtype.itemsize
    if size < _SMALLEST or not _reuse:
        return np.empty(shape, dtype)
    blocks = _blocks
    blocks.requests += 1
    if blocks.requests % _FORGET_AFTER == 0:
        _forget(blocks)
    entries = blocks.by_size.setdefault(size, [])
    for entry in entries:
        block = entry[0]
        if sys.getrefcount(block) == _UNUSED:
            break
    else:
        block = np.empty(size + _CACHE_LINE, np.uint8)
        entry = [block, -block.ctypes.data % _CACHE_LINE, 0]
        entries.append(entry)
    entry[2] = blocks.requests
    return np.ndarray(shape, dtype, block, entry[1])


def maker(shape, dtype, new=None):
    """A function without arguments that returns `empty(shape, dtype)`: decided once, now.

    With `new`, `new(shape, dtype)`.
    """
    if new is None:
        new = empty if prod(shape) * dtype.itemsize >= _SMALLEST else np.empty
    return partial(new, shape, dtype)


def _forget(blocks):
    """Give back the blocks that no array has used for a while."""
    oldest = blocks.requests - _FORGET_AFTER
    for size, entries in list(blocks.by_size.items()):
        entries[:] = [entry for entry in entries
                      if entry[2] > oldest or sys.getrefcount(entry[0]) > _UNUSED - 1]
        if not entries:
            del blocks.by_size[size]
