"""Maxima and means of windows of samples (depth, height, width, channels), and of whole samples."""

from cython cimport floating
from libc.stdint cimport uint8_t, uint32_t


cdef extern from "../kernels/windows.h":
    enum:
        MOST_SHARED
    ctypedef struct Pooling:
        Py_ssize_t channels
        Py_ssize_t sizes[3]
        Py_ssize_t outs[3]
        Py_ssize_t window[3]
        const Py_ssize_t* begin[3]
        const Py_ssize_t* end[3]
        const Py_ssize_t* first[3]
        const Py_ssize_t* last[3]
        const Py_ssize_t* places
        const Py_ssize_t* alike
        bint apart
        bint gathers


cdef void pool_max(
    Py_ssize_t rows, const Pooling* pooling, const floating* x, floating* y, uint8_t* bytes, uint32_t* places
) noexcept nogil
cdef void pool_max_backward(
    Py_ssize_t rows, const Pooling* pooling, const floating* dy, const uint8_t* bytes, const uint32_t* places,
    floating* spare, floating* dx
) noexcept nogil
cdef void pool_mean(Py_ssize_t rows, const Pooling* pooling, const floating* x, floating* y) noexcept nogil
cdef void pool_mean_backward(
    Py_ssize_t rows, const Pooling* pooling, floating* dy, floating* spare, floating* dx
) noexcept nogil
