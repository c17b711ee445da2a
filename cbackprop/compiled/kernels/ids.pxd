"""Whole numbers that are stored as floats."""

from cython cimport floating


cdef inline Py_ssize_t to_id(floating x, Py_ssize_t n) noexcept nogil:
    """x without its fraction, limited to [0, n), so that it is a valid index. NaN gives 0."""
    if not x >= 1:
        return 0
    return <Py_ssize_t>x if x < <floating>n else n - 1
