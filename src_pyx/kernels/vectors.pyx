"""Small steps over rows and vectors that layers share."""

from libc.string cimport memcpy


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
