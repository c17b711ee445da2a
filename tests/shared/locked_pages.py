"""Arrays between locked pages: a read or write beside an array ends the process."""

import ctypes
import math
import mmap
import sys

import numpy as np
import pytest

needs_locked_pages = pytest.mark.skipif(sys.platform != "linux", reason="locks pages by mprotect")


def beside_locked_pages(shape, dtype, at_end):
    """An array at the beginning or the end of memory whose neighbours must not be touched."""
    libc = ctypes.CDLL(None)
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    needed = int(math.prod(shape)) * np.dtype(dtype).itemsize
    room = -(-needed // mmap.PAGESIZE) * mmap.PAGESIZE
    memory = mmap.mmap(-1, room + 2 * mmap.PAGESIZE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for page in (start, start + mmap.PAGESIZE + room):
        assert libc.mprotect(page, mmap.PAGESIZE, 0) == 0
    offset = mmap.PAGESIZE + (room - needed if at_end else 0)
    return np.frombuffer(memory, dtype, math.prod(shape), offset).reshape(shape)
