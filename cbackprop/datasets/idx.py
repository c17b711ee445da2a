"""Read files in the IDX format: a magic number, sizes and values, all in big-endian order."""

from __future__ import annotations

import gzip
import io
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.validation import check_regular

__all__ = ["check_path", "read_idx"]

DTYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
MAX_RANK = 32  # the limit of NumPy 1; NumPy 2 allows 64
GZIP_MAGIC = b"\x1f\x8b"
DEFLATE_MAX_RATIO = 1032  # the maximum compression ratio of a deflate stream
CHUNK = 1 << 20


def check_path(name: str, path: Any) -> Path:
    """`path` as a ``Path``. Raises TypeError if it is neither a string nor path-like."""
    # open() would also accept an integer, as a file descriptor.
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"{name} must be a string or a path, but got {path!r} of type {type(path).__name__}.")
    return Path(path)


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read the array in an IDX file, which may be compressed with gzip.

    An IDX file contains::

        2 bytes         zero
        1 byte          type: 8 ubyte, 9 byte, 11 short, 12 int, 13 float, 14 double
        1 byte          rank
        4 bytes each    the sizes of the axes
        the values      in C order: the last index varies fastest

    Parameters
    ----------
    path : str or path-like
        The file. Compression is detected by the first two bytes, not by the name.

    Returns
    -------
    ndarray
        A writeable array with the shape in the file, in the byte order of the machine: uint8, int8, int16, int32,
        float32 or float64.

    Raises
    ------
    TypeError
        If `path` is neither a string nor path-like.
    OSError
        If the file cannot be opened or read; FileNotFoundError if there is none.
    ValueError
        If it is not a valid IDX file: no magic number, an unknown type, a rank outside 1 to 32, a size of 0, more or
        fewer values than the sizes say, or a damaged gzip stream. Memory is allocated only for values that are in the
        file, not for those that the header announces.

    References
    ----------
    Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database of handwritten digits",
    http://yann.lecun.com/exdb/mnist/ (section "The IDX file format").

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import cbackprop as cb
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "two-by-three")
    ...     _ = path.write_bytes(bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3]) + bytes([1, 2, 3, 4, 5, 6]))
    ...     cb.datasets.read_idx(path)
    array([[1, 2, 3],
           [4, 5, 6]], dtype=uint8)
    """
    file = check_path("path", path)
    check_regular(file)
    with open(file, "rb") as raw:
        compressed = raw.read(2) == GZIP_MAGIC
        raw.seek(0)
        most = os.fstat(raw.fileno()).st_size * (DEFLATE_MAX_RATIO if compressed else 1)
        stream = gzip.GzipFile(fileobj=raw) if compressed else raw
        try:
            dtype, shape = _read_header(stream)
            payload = _read_payload(stream, math.prod(shape) * dtype.itemsize, most)
        except (ValueError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{file} is not a sound IDX file: {error}") from error
    array = np.frombuffer(payload, dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_header(stream: io.BufferedIOBase) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise ValueError(f"expected two zero bytes, a type and a rank at its start, but got {magic!r}.")
    code, rank = magic[2:]
    if code not in DTYPES:
        raise ValueError(f"expected one of the types {list(DTYPES)} in its third byte, but got {code}.")
    if not 1 <= rank <= MAX_RANK:
        raise ValueError(f"expected a rank of 1 to {MAX_RANK} in its fourth byte, but got {rank}.")
    sizes = stream.read(4 * rank)
    if len(sizes) < 4 * rank:
        raise ValueError(f"expected {rank} sizes of 4 bytes, but it ends after {len(sizes)} bytes of them.")
    shape = struct.unpack(f">{rank}I", sizes)
    if 0 in shape:
        raise ValueError(f"expected sizes of at least 1, but got {shape}.")
    return DTYPES[code], shape


def _read_payload(stream: io.BufferedIOBase, size: int, most: int) -> bytearray:
    """Read the remaining `size` bytes of `stream`; the file cannot contain more than `most`."""
    if size > most:
        raise ValueError(f"its header announces {size} bytes of values, more than the file can hold.")
    payload = bytearray()
    while len(payload) < size:
        # read(n) allocates n bytes at once, so read in pieces: the size in the header may be wrong.
        chunk = stream.read(min(CHUNK, size - len(payload)))
        if not chunk:
            raise ValueError(f"its header announces {size} bytes of values, but {len(payload)} are there.")
        payload += chunk
    # Reading to the end also makes gzip verify its checksum.
    if stream.read(1):
        raise ValueError(f"its header announces {size} bytes of values, but more are there.")
    return payload
