"""Dropout and alpha dropout, given a mask. Other packages may `cimport` it."""

from cython cimport floating
from libc.stdint cimport uint8_t


cdef void dropout_forward(
    Py_ssize_t n, floating scale, const uint8_t* mask, const floating* x, floating* y
) noexcept nogil

cdef void dropout_backward(
    Py_ssize_t n, floating scale, const uint8_t* mask, const floating* dy, floating* dx, bint add_dx
) noexcept nogil

cdef void alpha_dropout_forward(
    Py_ssize_t n, floating a, floating b, floating dropped, const uint8_t* mask, const floating* x, floating* y
) noexcept nogil
