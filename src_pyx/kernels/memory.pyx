"""Memory for compiled code, and addresses of NumPy arrays, which are checked first."""

import numpy as np

from cpython.buffer cimport PyBUF_CONTIG, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uintptr_t
from libc.string cimport memset

cdef enum:
    ALIGNMENT = 64      # a cache line


def aligned_zeros(Py_ssize_t size, dtype):
    """A vector of zeros that starts at a cache line, with another line of memory after it.

    Compiled code may read into that line, because it reads several numbers at a time.
    """
    cdef Py_ssize_t length = size * np.dtype(dtype).itemsize, start
    if length >= MANY_BYTES:    # the system makes zeros when memory is first used
        raw = np.zeros(length + 2 * ALIGNMENT, np.uint8)
    else:                       # NumPy's zeros would release the GIL
        raw = np.empty(length + 2 * ALIGNMENT, np.uint8)
        memset(first_byte(raw), 0, length + 2 * ALIGNMENT)
    start = (ALIGNMENT - <uintptr_t>first_byte(raw) % ALIGNMENT) % ALIGNMENT
    return raw[start:start + length].view(dtype)


cdef void* address(array, dtype, Py_ssize_t size) except NULL:
    """The address of a writable, contiguous array of this type with at least `size` elements.

    The caller keeps the array alive.
    """
    if array.dtype != dtype or not array.flags.c_contiguous or array.size < size or array.size == 0:
        raise ValueError(
            f"Expected a contiguous array of at least {size} elements of {dtype}, "
            f"but got {array.size} of {array.dtype}."
        )
    return first_byte(array)


cdef void* first_byte(array) except NULL:
    """Where the memory of a writable, contiguous array begins. A memoryview would take several times as long."""
    cdef Py_buffer buffer
    PyObject_GetBuffer(array, &buffer, PyBUF_CONTIG)
    PyBuffer_Release(&buffer)
    return buffer.buf
