"""Sums over rows for each channel, and maps of rows."""

from cython cimport floating


cdef void add_rows(
    Py_ssize_t rows, Py_ssize_t step, Py_ssize_t count, const floating* x, double* total
) noexcept nogil
cdef void add_squares(
    Py_ssize_t rows, Py_ssize_t step, Py_ssize_t count, const floating* x, const double* mean, double* total
) noexcept nogil
cdef void add_products(
    Py_ssize_t rows, Py_ssize_t step, Py_ssize_t count, const floating* x, const floating* dy, const double* mean,
    double* total, double* product
) noexcept nogil
cdef void map_channels(
    Py_ssize_t rows, Py_ssize_t step, Py_ssize_t count, const floating* x, const floating* center,
    const floating* scale, const floating* offset, floating* y
) noexcept nogil
cdef void map_deltas(
    Py_ssize_t rows, Py_ssize_t step, Py_ssize_t count, const floating* x, const floating* dy, const floating* a,
    const floating* b, const floating* center, const floating* scale, bint add, floating* dx
) noexcept nogil
