"""Whole numbers that travel as floats."""

from cython cimport floating


cdef inline Py_ssize_t to_id(floating x, Py_ssize_t n) noexcept nogil:
    """x cut down to a whole number and limited to [0, n); NaN gives 0. Nothing read at it is out of bounds."""
    if not x >= 1:
        return 0
    return <Py_ssize_t>x if x < <floating>n else n - 1
