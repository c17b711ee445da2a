"""Losses of real-valued predictions, each the mean over a row of a function of the error y_pred - y_true."""

from cython cimport floating

from cbackprop.compiled.losses.row_function cimport RowFunction


cdef void mean_squared_error(
    Py_ssize_t rows, Py_ssize_t width, const floating* y_true, const floating* y_pred,
    const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = mean of e^2, d value / d y_pred = 2 e / width, with e = y_pred - y_true."""
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


cdef class MeanSquaredError(RowFunction):
    cdef void evaluate(
        self, Py_ssize_t rows, Py_ssize_t width, const void* y_true, void* y_pred,
        const double* coefficients, double* values, void* delta,
    ) noexcept nogil:
        if self.is_double:
            mean_squared_error(
                rows, width, <const double*>y_true, <const double*>y_pred, coefficients, values, <double*>delta
            )
        else:
            mean_squared_error(
                rows, width, <const float*>y_true, <const float*>y_pred, coefficients, values, <float*>delta
            )
