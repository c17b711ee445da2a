"""Losses of real-valued predictions, each the mean over a row of a function of the error e = y_pred - y_true."""

from cython cimport floating

from cbackprop.compiled.kernels.elementary cimport expm1, fabs, log1p, tanh
from cbackprop.compiled.losses.row_function cimport KernelFunction


cdef void mean_squared_error(
    Py_ssize_t rows, Py_ssize_t width, const floating* y_true, const floating* y_pred, double parameter,
    const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = mean of e^2, d value / d y_pred = 2 e / width."""
    cdef Py_ssize_t r, j
    cdef floating error, total, factor
    for r in range(rows):
        total = 0
        for j in range(width):
            error = y_pred[j] - y_true[j]
            total += error * error
        values[r] = total / width
        if delta != NULL:
            factor = <floating>(2 * coefficients[r] / width)
            for j in range(width):
                delta[j] = factor * (y_pred[j] - y_true[j])
            delta += width
        y_true += width
        y_pred += width


cdef void mean_absolute_error(
    Py_ssize_t rows, Py_ssize_t width, const floating* y_true, const floating* y_pred, double parameter,
    const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = mean of |e|, d value / d y_pred = sign(e) / width."""
    cdef Py_ssize_t r, j
    cdef floating total, factor
    for r in range(rows):
        total = 0
        for j in range(width):
            total += fabs(y_pred[j] - y_true[j])
        values[r] = total / width
        if delta != NULL:
            factor = <floating>(coefficients[r] / width)
            for j in range(width):
                delta[j] = factor if y_pred[j] > y_true[j] else (-factor if y_pred[j] < y_true[j] else 0)
            delta += width
        y_true += width
        y_pred += width


cdef void huber(
    Py_ssize_t rows, Py_ssize_t width, const floating* y_true, const floating* y_pred, double parameter,
    const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = mean of c (e - c / 2), d value / d y_pred = c / width, with c = min(max(e, -parameter), parameter).

    Inside the limits c = e, and the value is e^2 / 2; outside, it is parameter |e| - parameter^2 / 2.
    """
    cdef Py_ssize_t r, j
    cdef floating error, clipped, total, factor, limit = <floating>parameter
    for r in range(rows):
        total = 0
        for j in range(width):
            error = y_pred[j] - y_true[j]
            clipped = min(max(error, -limit), limit)
            total += clipped * (error - clipped / 2)
        values[r] = total / width
        if delta != NULL:
            factor = <floating>(coefficients[r] / width)
            for j in range(width):
                delta[j] = factor * min(max(y_pred[j] - y_true[j], -limit), limit)
            delta += width
        y_true += width
        y_pred += width


cdef void log_cosh(
    Py_ssize_t rows, Py_ssize_t width, const floating* y_true, const floating* y_pred, double parameter,
    const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = mean of log cosh e, d value / d y_pred = tanh(e) / width.

    log cosh e = |e| + log((1 + e^(-2 |e|)) / 2) does not overflow; written with expm1 and log1p, the two terms
    cancel for small e without losing more than |e| is rounded by.
    """
    cdef Py_ssize_t r, j
    cdef floating size, total, factor
    for r in range(rows):
        total = 0
        for j in range(width):
            size = fabs(y_pred[j] - y_true[j])
            total += size + log1p(expm1(-2 * size) / 2)
        values[r] = total / width
        if delta != NULL:
            factor = <floating>(coefficients[r] / width)
            for j in range(width):
                delta[j] = factor * tanh(y_pred[j] - y_true[j])
            delta += width
        y_true += width
        y_pred += width


cdef class MeanSquaredError(KernelFunction):
    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.kernel32, self.kernel64 = mean_squared_error[float], mean_squared_error[double]


cdef class MeanAbsoluteError(KernelFunction):
    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.kernel32, self.kernel64 = mean_absolute_error[float], mean_absolute_error[double]


cdef class Huber(KernelFunction):
    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.kernel32, self.kernel64 = huber[float], huber[double]
        self.parameter = spec.delta


cdef class LogCosh(KernelFunction):
    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.kernel32, self.kernel64 = log_cosh[float], log_cosh[double]
