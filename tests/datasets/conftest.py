"""IDX files for the tests, written independently of the reader."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


@pytest.fixture(scope="session")
def idx_bytes() -> Callable[[np.ndarray], bytes]:
    def encode(array: np.ndarray) -> bytes:
        code = CODES[array.dtype.str[1:]]
        header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
        return header + array.astype(array.dtype.newbyteorder(">")).tobytes()

    return encode


@pytest.fixture
def write_idx(idx_bytes: Callable[[np.ndarray], bytes]) -> Callable[[Path, np.ndarray], Path]:
    """Writes an array; compressed if the name ends in .gz."""

    def write(path: Path, array: np.ndarray) -> Path:
        content = idx_bytes(array)
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
        return path

    return write
