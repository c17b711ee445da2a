"""Losses of real-valued predictions, most the mean over a row of a function of the error e = y_pred - y_true."""

import numpy as np

from cython cimport floating

from cbackprop.compiled.kernels.elementary cimport expm1, fabs, log1p, tanh
from cbackprop.compiled.kernels.epsilon cimport EPSILON
from cbackprop.compiled.losses.row_function cimport KernelFunction, RowFunction


cdef void mean_squared_error(
    Py_ssize_t rows, Py_ssize_t width, const floating* y_true, const floating* y_pred, double parameter,
    const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = mean of e^2, d value / d y_pred = 2 e / width."""
    cdef Py_ssize_t r, j
    cdef floating error, total, factor
    cdef double share = 1.0 / width     # once: a division takes as long as a row of few numbers
    for r in range(rows):
        total = 0
        for j in range(width):
            error = y_pred[j] - y_true[j]
            total += error * error
        values[r] = total * share
        if delta != NULL:
            factor = <floating>(2 * coefficients[r] * share)
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


cdef void mean_absolute_percentage_error(
    Py_ssize_t rows, Py_ssize_t width, const floating* y_true, const floating* y_pred, double parameter,
    const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = 100 mean of |e| / s, d value / d y_pred = 100 sign(e) / (s width), with s = max(|y_true|, epsilon)."""
    cdef Py_ssize_t r, j
    cdef floating total, factor = 0, size, error, low = <floating>EPSILON
    for r in range(rows):
        total = 0
        if delta != NULL:
            factor = <floating>(100 * coefficients[r] / width)
        for j in range(width):
            size = max(fabs(y_true[j]), low)
            error = y_pred[j] - y_true[j]
            total += fabs(error) / size
            if delta != NULL:
                delta[j] = (factor if error > 0 else (-factor if error < 0 else 0)) / size
        values[r] = 100 * total / width
        if delta != NULL:
            delta += width
        y_true += width
        y_pred += width


cdef void mean_squared_logarithmic_error(
    Py_ssize_t rows, Py_ssize_t width, const floating* y_true, const floating* y_pred, double parameter,
    const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = mean of d^2, d = log((p + 1) / (y + 1)), p and y no less than epsilon.

    d value / d y_pred = 2 d / ((p + 1) width), 0 below epsilon.
    """
    cdef Py_ssize_t r, j
    cdef floating total, factor = 0, p, y, difference, low = <floating>EPSILON
    for r in range(rows):
        total = 0
        if delta != NULL:
            factor = <floating>(2 * coefficients[r] / width)
        for j in range(width):
            p = max(y_pred[j], low)
            y = max(y_true[j], low)
            difference = log1p(p) - log1p(y)
            total += difference * difference
            if delta != NULL:
                delta[j] = factor * difference / (p + 1) if p == y_pred[j] else 0
        values[r] = total / width
        if delta != NULL:
            delta += width
        y_true += width
        y_pred += width


cdef void quantile(
    Py_ssize_t rows, Py_ssize_t width, const floating* y_true, const floating* y_pred,
    Py_ssize_t n, const double* quantiles, const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = mean of max(q d, (q - 1) d), d = y_true - y_pred: slope -q below the target, 1 - q above, 0 at it.

    quantiles (n,) IN: that of each element, over and over again, as elements follow each other.
    """
    cdef Py_ssize_t r, j, k = 0
    cdef floating total, factor = 0, difference, q
    for r in range(rows):
        total = 0
        if delta != NULL:
            factor = <floating>(coefficients[r] / width)
        for j in range(width):
            q = <floating>quantiles[k]
            k = k + 1 if k + 1 < n else 0
            difference = y_true[j] - y_pred[j]
            total += max(q * difference, (q - 1) * difference)
            if delta != NULL:
                delta[j] = factor * (-q if difference > 0 else (1 - q if difference < 0 else 0))
        values[r] = total / width
        if delta != NULL:
            delta += width
        y_true += width
        y_pred += width


cdef class MeanSquaredError(KernelFunction):
    each_element = True

    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.kernel32, self.kernel64 = mean_squared_error[float], mean_squared_error[double]


cdef class MeanAbsoluteError(KernelFunction):
    each_element = True

    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.kernel32, self.kernel64 = mean_absolute_error[float], mean_absolute_error[double]


cdef class Huber(KernelFunction):
    each_element = True

    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.kernel32, self.kernel64 = huber[float], huber[double]
        self.parameter = spec.delta


cdef class LogCosh(KernelFunction):
    each_element = True

    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.kernel32, self.kernel64 = log_cosh[float], log_cosh[double]


cdef class MeanAbsolutePercentageError(KernelFunction):
    each_element = True

    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.kernel32 = mean_absolute_percentage_error[float]
        self.kernel64 = mean_absolute_percentage_error[double]


cdef class MeanSquaredLogarithmicError(KernelFunction):
    each_element = True

    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.kernel32 = mean_squared_logarithmic_error[float]
        self.kernel64 = mean_squared_logarithmic_error[double]


cdef class Quantile(RowFunction):
    cdef double[::1] quantiles

    each_element = True

    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.quantiles = np.array(spec.quantile, np.float64).reshape(-1)
        if not self.quantiles.shape[0]:
            raise ValueError(f"{type(spec).__name__}.quantile must hold at least one number.")

    cdef void evaluate(
        self, Py_ssize_t rows, Py_ssize_t width, const void* y_true, void* y_pred,
        const double* coefficients, double* values, void* delta,
    ) noexcept nogil:
        if self.is_double:
            quantile(
                rows, width, <const double*>y_true, <const double*>y_pred, self.quantiles.shape[0], &self.quantiles[0],
                coefficients, values, <double*>delta,
            )
        else:
            quantile(
                rows, width, <const float*>y_true, <const float*>y_pred, self.quantiles.shape[0], &self.quantiles[0],
                coefficients, values, <float*>delta,
            )
