"""Maxima and means of windows of samples (depth, height, width, channels). See pooling.h."""

from cython cimport floating
from libc.stdint cimport uint8_t, uint32_t


cdef extern from "pooling.h" nogil:
    void max_forward_float(
        Py_ssize_t rows, const Pooling* pooling, const float* x, float* y, uint8_t* bytes, uint32_t* places)
    void max_forward_double(
        Py_ssize_t rows, const Pooling* pooling, const double* x, double* y, uint8_t* bytes, uint32_t* places)
    void max_backward_float(
        Py_ssize_t rows, const Pooling* pooling, const float* dy, const uint8_t* bytes, const uint32_t* places,
        float* spare, float* dx)
    void max_backward_double(
        Py_ssize_t rows, const Pooling* pooling, const double* dy, const uint8_t* bytes, const uint32_t* places,
        double* spare, double* dx)
    void mean_forward_float(Py_ssize_t rows, const Pooling* pooling, const float* x, float* y)
    void mean_forward_double(Py_ssize_t rows, const Pooling* pooling, const double* x, double* y)
    void mean_backward_float(Py_ssize_t rows, const Pooling* pooling, float* dy, float* spare, float* dx)
    void mean_backward_double(Py_ssize_t rows, const Pooling* pooling, double* dy, double* spare, double* dx)


cdef void pool_max(
    Py_ssize_t rows, const Pooling* pooling,
    const floating* x,          # (rows, sizes, channels) IN
    floating* y,                # (rows, outs, channels) OUT
    uint8_t* bytes,             # (rows, outs, channels) OUT, or NULL: the number of each maximum in its window
    uint32_t* places,           # (rows, outs, channels) OUT, or NULL: its position in the sample
) noexcept nogil:
    """y = the maximum of each window; NaN if there is any. At most one of bytes and places is given."""
    if floating is float:
        max_forward_float(rows, pooling, x, y, bytes, places)
    else:
        max_forward_double(rows, pooling, x, y, bytes, places)


cdef void pool_max_backward(
    Py_ssize_t rows, const Pooling* pooling,
    const floating* dy,         # (rows, outs, channels) IN
    const uint8_t* bytes,       # (rows, outs, channels) IN, or NULL
    const uint32_t* places,     # (rows, outs, channels) IN, or NULL
    floating* spare,            # a row of positions and 32 bytes, destroyed; NULL if dx is not to be added to
    floating* dx,               # (rows, sizes, channels) OUT, or with spare IN and OUT
) noexcept nogil:
    """dx = dy where the maximum was, else 0."""
    if floating is float:
        max_backward_float(rows, pooling, dy, bytes, places, spare, dx)
    else:
        max_backward_double(rows, pooling, dy, bytes, places, spare, dx)


cdef void pool_mean(
    Py_ssize_t rows, const Pooling* pooling,
    const floating* x,          # (rows, sizes, channels) IN
    floating* y,                # (rows, outs, channels) OUT
) noexcept nogil:
    """y = the mean of each window."""
    if floating is float:
        mean_forward_float(rows, pooling, x, y)
    else:
        mean_forward_double(rows, pooling, x, y)


cdef void pool_mean_backward(
    Py_ssize_t rows, const Pooling* pooling,
    floating* dy,               # (rows, outs, channels) IN, destroyed
    floating* spare,            # a row of positions and 32 bytes, destroyed; NULL if dx is not to be added to
    floating* dx,               # (rows, sizes, channels) OUT, or with spare IN and OUT
) noexcept nogil:
    """dx = the sum over windows of dy / size of the window."""
    if floating is float:
        mean_backward_float(rows, pooling, dy, spare, dx)
    else:
        mean_backward_double(rows, pooling, dy, spare, dx)
