"""IDX files, the format of MNIST, plain or gzip-compressed.

A header (two zero bytes, the type of the numbers, how many dimensions; then each dimension as a
32-bit big-endian number) and after it the numbers, big-endian, in C order. Described at the foot
of http://yann.lecun.com/exdb/mnist/.
"""

import gzip
import math
import zlib

import numpy as np

_DTYPES = {0x08: np.dtype("u1"), 0x09: np.dtype("i1"), 0x0B: np.dtype(">i2"),
           0x0C: np.dtype(">i4"), 0x0D: np.dtype(">f4"), 0x0E: np.dtype(">f8")}
_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 20


def read_idx(path):
    """Read one IDX file.

    Parameters
    ----------
    path : str or Path
        The file; gzip-compressed if its first bytes say so.

    Returns
    -------
    ndarray
        Of the type and shape that the header says, in native byte order.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not IDX, is cut short, has bytes left over, or is not the gzip file that its
        name says.
    """
    with open(path, "rb") as file:
        compressed = file.read(2) == _GZIP_MAGIC
        if not compressed and str(path).endswith(".gz"):
            raise ValueError(f"{path}: not a gzip file, though its name ends in .gz")
        file.seek(0)
        if not compressed:
            return _read(file, path)
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                return _read(unpacked, path)
        except EOFError:
            raise ValueError(f"{path}: cut short: its gzip stream does not end") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{path}: damaged gzip file: {error}") from None


def _read(stream, path):
    start = stream.read(4)
    if len(start) < 4:
        raise ValueError(f"{path}: cut short: {len(start)} bytes where an IDX file begins with 4")
    zeros, code, ndim = start[:2], start[2], start[3]
    if zeros != b"\0\0" or code not in _DTYPES or ndim == 0:
        raise ValueError(
            f"{path}: not an IDX file: it begins with {start.hex(' ')}, which should be 00 00, the "
            "type of the numbers (08, 09, 0b, 0c, 0d or 0e) and how many dimensions, such as "
            "00 00 08 03 for images and 00 00 08 01 for labels")
    header = stream.read(4 * ndim)
    if len(header) < 4 * ndim:
        raise ValueError(f"{path}: cut short: the header of {ndim} dimensions needs {4 + 4 * ndim} "
                         f"bytes, got {4 + len(header)}")
    shape = tuple(int(size) for size in np.frombuffer(header, ">u4"))
    dtype = _DTYPES[code]
    expected = math.prod(shape) * dtype.itemsize

    # The size is the header's word for it, so memory grows with what is really there, and reading
    # stops one byte beyond what was promised.
    data = bytearray()
    while chunk := stream.read(min(_CHUNK, expected + 1 - len(data))):
        data += chunk
    if len(data) != expected:
        found = f"only {len(data)}" if len(data) < expected else "more"
        raise ValueError(f"{path}: its header says {'x'.join(map(str, shape))} {dtype.name} "
                         f"numbers, so {expected} bytes should follow, but there are {found}")
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
