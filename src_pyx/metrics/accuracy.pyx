"""Accuracies: 1 for a row that was predicted right, 0 for one that was not."""

from cython cimport floating
from libc.stdint cimport int64_t

from cbackprop.compiled.losses.row_function cimport RowFunction


cdef inline Py_ssize_t argmax(Py_ssize_t width, const floating* x) noexcept nogil:
    """The first position of the largest element."""
    cdef Py_ssize_t j, best = 0
    for j in range(1, width):
        if x[j] > x[best]:
            best = j
    return best


cdef void sparse_categorical_accuracy(
    Py_ssize_t rows, Py_ssize_t width, const int64_t* y_true, const floating* y_pred, double* values
) noexcept nogil:
    """value = [argmax y_pred = y_true]."""
    cdef Py_ssize_t r
    for r in range(rows):
        values[r] = argmax(width, y_pred + r * width) == y_true[r]


cdef class SparseCategoricalAccuracy(RowFunction):
    cdef void evaluate(
        self, Py_ssize_t rows, Py_ssize_t width, const void* y_true, void* y_pred,
        const double* coefficients, double* values, void* delta,
    ) noexcept nogil:
        if self.is_double:
            sparse_categorical_accuracy(rows, width, <const int64_t*>y_true, <const double*>y_pred, values)
        else:
            sparse_categorical_accuracy(rows, width, <const int64_t*>y_true, <const float*>y_pred, values)
