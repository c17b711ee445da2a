"""Sums over rows for each channel, and maps of rows. Numbers of a channel are `step` apart. See channels.h."""

from cython cimport floating


cdef extern from "channels.h" nogil:
    void add_rows_float(
        Py_ssize_t rows, Py_ssize_t step, Py_ssize_t count, const float* x, double* total)
    void add_rows_double(
        Py_ssize_t rows, Py_ssize_t step, Py_ssize_t count, const double* x, double* total)
    void add_squares_float(
        Py_ssize_t rows, Py_ssize_t step, Py_ssize_t count, const float* x, const double* mean, double* total)
    void add_squares_double(
        Py_ssize_t rows, Py_ssize_t step, Py_ssize_t count, const double* x, const double* mean, double* total)
    void add_products_float(
        Py_ssize_t rows, Py_ssize_t step, Py_ssize_t count, const float* x, const float* dy, const double* mean,
        double* total, double* product)
    void add_products_double(
        Py_ssize_t rows, Py_ssize_t step, Py_ssize_t count, const double* x, const double* dy, const double* mean,
        double* total, double* product)
    void map_channels_float(
        Py_ssize_t rows, Py_ssize_t step, Py_ssize_t count, const float* x, const float* center, const float* scale,
        const float* offset, float* y)
    void map_channels_double(
        Py_ssize_t rows, Py_ssize_t step, Py_ssize_t count, const double* x, const double* center,
        const double* scale, const double* offset, double* y)
    void map_deltas_float(
        Py_ssize_t rows, Py_ssize_t step, Py_ssize_t count, const float* x, const float* dy, const float* a,
        const float* b, const float* center, const float* scale, bint add, float* dx)
    void map_deltas_double(
        Py_ssize_t rows, Py_ssize_t step, Py_ssize_t count, const double* x, const double* dy, const double* a,
        const double* b, const double* center, const double* scale, bint add, double* dx)


cdef void add_rows(
    Py_ssize_t rows, Py_ssize_t step, Py_ssize_t count,
    const floating* x,          # (rows, count) IN
    double* total,              # (count,) IN and OUT
) noexcept nogil:
    """total += the sum over rows of x."""
    if floating is float:
        add_rows_float(rows, step, count, x, total)
    else:
        add_rows_double(rows, step, count, x, total)


cdef void add_squares(
    Py_ssize_t rows, Py_ssize_t step, Py_ssize_t count,
    const floating* x,          # (rows, count) IN
    const double* mean,         # (count,) IN
    double* total,              # (count,) IN and OUT
) noexcept nogil:
    """total += the sum over rows of (x - mean)^2."""
    if floating is float:
        add_squares_float(rows, step, count, x, mean, total)
    else:
        add_squares_double(rows, step, count, x, mean, total)


cdef void add_products(
    Py_ssize_t rows, Py_ssize_t step, Py_ssize_t count,
    const floating* x,          # (rows, count) IN
    const floating* dy,         # (rows, count) IN
    const double* mean,         # (count,) IN
    double* total,              # (count,) IN and OUT
    double* product,            # (count,) IN and OUT
) noexcept nogil:
    """total += the sum over rows of dy, product += the sum over rows of dy (x - mean)."""
    if floating is float:
        add_products_float(rows, step, count, x, dy, mean, total, product)
    else:
        add_products_double(rows, step, count, x, dy, mean, total, product)


cdef void map_channels(
    Py_ssize_t rows, Py_ssize_t step, Py_ssize_t count,
    const floating* x,          # (rows, count) IN
    const floating* center,     # (count,) IN
    const floating* scale,      # (count,) IN
    const floating* offset,     # (count,) IN
    floating* y,                # (rows, count) OUT
) noexcept nogil:
    """y = (x - center) scale + offset."""
    if floating is float:
        map_channels_float(rows, step, count, x, center, scale, offset, y)
    else:
        map_channels_double(rows, step, count, x, center, scale, offset, y)


cdef void map_deltas(
    Py_ssize_t rows, Py_ssize_t step, Py_ssize_t count,
    const floating* x,          # (rows, count) IN
    const floating* dy,         # (rows, count) IN
    const floating* a,          # (count,) IN
    const floating* b,          # (count,) IN
    const floating* center,     # (count,) IN
    const floating* scale,      # (count,) IN
    bint add,
    floating* dx,               # (rows, count) OUT
) noexcept nogil:
    """dx = (dy - a - b (x - center)) scale; with `add`, dx += this."""
    if floating is float:
        map_deltas_float(rows, step, count, x, dy, a, b, center, scale, add, dx)
    else:
        map_deltas_double(rows, step, count, x, dy, a, b, center, scale, add, dx)
