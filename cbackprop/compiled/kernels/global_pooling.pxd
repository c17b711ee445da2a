"""Maxima and means of all positions of a sample (positions, channels), for each channel."""

from cython cimport floating


cdef Py_ssize_t wide_channels(Py_ssize_t positions, Py_ssize_t channels) noexcept nogil
cdef void global_mean(
    Py_ssize_t rows, Py_ssize_t positions, Py_ssize_t channels, const floating* x, double* total, floating* y
) noexcept nogil
cdef void masked_mean(
    Py_ssize_t rows, Py_ssize_t positions, Py_ssize_t channels, const floating* x, const floating* mask, double* total,
    floating* y
) noexcept nogil
cdef void global_mean_backward(
    Py_ssize_t rows, Py_ssize_t positions, Py_ssize_t channels, const floating* mask, const floating* dy,
    floating* share, bint add, floating* dx
) noexcept nogil
cdef void global_max(
    Py_ssize_t rows, Py_ssize_t positions, Py_ssize_t channels, const floating* x, floating* spare, floating* kept,
    floating* y
) noexcept nogil
cdef void global_max_backward(
    Py_ssize_t rows, Py_ssize_t positions, Py_ssize_t channels, const floating* x, const floating* kept,
    const floating* dy, floating* spare, bint add, floating* dx
) noexcept nogil
