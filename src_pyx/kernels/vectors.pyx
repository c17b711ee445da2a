"""Small functions for rows and vectors that several layers use."""

from cpython.buffer cimport PyBUF_C_CONTIGUOUS, PyBuffer_Release, PyObject_GetBuffer
from libc.math cimport floor
from libc.string cimport memcpy

from cbackprop.compiled.kernels.memory cimport MANY_BYTES

cdef enum:
    PARALLEL_SUMS = 64      # several vectors, so that additions do not wait for each other


cdef void copy_or_add(Py_ssize_t n, const floating* x, bint accumulate, floating* out) noexcept nogil:
    """out = x, or out += x if `accumulate`.

    x (n,) IN; out (n,) OUT.
    """
    cdef Py_ssize_t i
    if accumulate:
        for i in range(n):
            out[i] += x[i]
    else:
        memcpy(out, x, n * sizeof(floating))


cdef bint all_finite(Py_ssize_t n, const floating* x) noexcept nogil:
    """Whether no number is NaN or infinite. Such a number times 0 is NaN, and so is the sum of the products."""
    cdef floating sums[PARALLEL_SUMS]
    cdef floating total = 0, zero = 0   # typed, because a literal 0 would be a double in C
    cdef Py_ssize_t i = 0, k
    for k in range(PARALLEL_SUMS):
        sums[k] = 0
    while i + PARALLEL_SUMS <= n:
        for k in range(PARALLEL_SUMS):
            sums[k] += x[i + k] * zero
        i += PARALLEL_SUMS
    for i in range(i, n):
        total += x[i] * zero
    for k in range(PARALLEL_SUMS):
        total += sums[k]
    return total == 0


cdef bint all_whole(Py_ssize_t n, Py_ssize_t limit, const floating* x) noexcept nogil:
    """Whether all are whole numbers and, unless the limit is 0, from 0 to it, excluded."""
    cdef bint right = True
    cdef Py_ssize_t i
    for i in range(n):
        right &= <floating>floor(x[i]) == x[i] and (limit == 0 or 0 <= x[i] < <floating>limit)
    return right


def is_finite(array):
    """Whether no number of a C-contiguous array of float32 or float64 is NaN or infinite.

    NumPy's sum takes several microseconds before it begins, which is too long for each batch.
    """
    cdef Py_buffer buffer
    cdef bint finite
    PyObject_GetBuffer(array, &buffer, PyBUF_C_CONTIGUOUS)
    try:
        if buffer.len < MANY_BYTES:
            return finite_buffer(&buffer)
        with nogil:
            finite = finite_buffer(&buffer)
        return finite
    finally:
        PyBuffer_Release(&buffer)


cdef bint finite_buffer(const Py_buffer* buffer) noexcept nogil:
    if buffer.itemsize == sizeof(double):
        return all_finite(buffer.len // <Py_ssize_t>sizeof(double), <const double*>buffer.buf)
    return all_finite(buffer.len // <Py_ssize_t>sizeof(float), <const float*>buffer.buf)
