"""Negative log-likelihoods of distributions whose means and variances are predicted.

A row of predictions holds k = width / 2 means m, and then k logarithms s of variances; a row of targets k numbers, and
then k that only fill up. d = m - y_true.
"""

from math import lgamma, pi
from math import log as log_of

from cython cimport floating
from libc.math cimport INFINITY

from cbackprop.compiled.kernels.elementary cimport exp, fabs, log, sigmoid, softplus
from cbackprop.compiled.losses.row_function cimport KernelFunction, RowFunction

cdef double LOG_2_PI = log_of(2 * pi)


cdef void gaussian(
    Py_ssize_t rows, Py_ssize_t width, const floating* y_true, const floating* y_pred, double parameter,
    const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = mean of (log(2 pi) + s + d^2 exp(-s)) / 2.

    d value / dm = d exp(-s) / k, d value / ds = (1 - d^2 exp(-s)) / 2 k.
    """
    cdef Py_ssize_t r, j, k = width // 2
    cdef floating total, factor = 0, error, s, pull
    for r in range(rows):
        total = 0
        if delta != NULL:
            factor = <floating>(coefficients[r] / k)
        for j in range(k):
            error, s = y_pred[j] - y_true[j], y_pred[k + j]
            pull = error * exp(-s) if error != 0 else 0      # exp(-s) may be infinite
            total += s + error * pull
            if delta != NULL:
                delta[j] = factor * pull
                delta[k + j] = factor * (1 - error * pull) / 2
        values[r] = (LOG_2_PI + total / k) / 2
        if delta != NULL:
            delta += width
        y_true += width
        y_pred += width


cdef void student_t(
    Py_ssize_t rows, Py_ssize_t width,
    const floating* y_true,         # (rows, width) IN
    const floating* y_pred,         # (rows, width) IN
    double constant, double degrees,
    const double* coefficients,     # (rows,) IN
    double* values,                 # (rows,) OUT
    floating* delta,                # (rows, width) OUT, or NULL
) noexcept nogil:
    """value = mean of c + s / 2 + (n + 1) / 2 log(1 + z), z = d^2 exp(-s) / n, with c = constant and n = degrees.

    d value / dm = (n + 1) share / (d k), d value / ds = (1 - (n + 1) share) / 2 k, share = z / (1 + z). Of z only the
    logarithm is taken: z itself may be too large.
    """
    cdef Py_ssize_t r, j, k = width // 2
    cdef floating power = <floating>(degrees + 1), log_degrees = <floating>log(degrees)
    cdef floating total, factor = 0, error, s, log_z, share
    for r in range(rows):
        total = 0
        if delta != NULL:
            factor = <floating>(coefficients[r] / k)
        for j in range(k):
            error, s = y_pred[j] - y_true[j], y_pred[k + j]
            log_z = 2 * log(fabs(error)) - s - log_degrees if error != 0 else -<floating>INFINITY
            total += s + power * softplus(log_z)
            if delta != NULL:
                share = power * sigmoid(log_z)
                delta[j] = factor * share / error if error != 0 else 0
                delta[k + j] = factor * (1 - share) / 2
        values[r] = constant + total / k / 2
        if delta != NULL:
            delta += width
        y_true += width
        y_pred += width


cdef class GaussianNegativeLogLikelihood(KernelFunction):
    reads = "half"

    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.kernel32, self.kernel64 = gaussian[float], gaussian[double]


cdef class StudentTNegativeLogLikelihood(RowFunction):
    reads = "half"

    cdef double constant, degrees

    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        n = spec.degrees_of_freedom
        self.degrees = n
        self.constant = lgamma(n / 2) - lgamma((n + 1) / 2) + log_of(n * pi) / 2

    cdef void evaluate(
        self, Py_ssize_t rows, Py_ssize_t width, const void* y_true, void* y_pred,
        const double* coefficients, double* values, void* delta,
    ) noexcept nogil:
        if self.is_double:
            student_t(
                rows, width, <const double*>y_true, <const double*>y_pred, self.constant, self.degrees,
                coefficients, values, <double*>delta,
            )
        else:
            student_t(
                rows, width, <const float*>y_true, <const float*>y_pred, self.constant, self.degrees,
                coefficients, values, <float*>delta,
            )
