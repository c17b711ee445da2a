"""A value for each row of a prediction, and where it is a loss, the row's delta in the same pass."""

import numpy as np

from cython cimport floating
from libc.stdint cimport int64_t


cdef class RowFunction:
    """Subclasses read what they need from `spec` and override `evaluate`.

    Parameters
    ----------
    spec : cbackprop.losses.Loss or cbackprop.metrics.Metric
        What the user wrote.
    linked : bool
        Whether a loss gets logits in y_pred, and is to replace them by the predictions.
    is_double : bool
    """

    def __init__(self, spec, bint linked, bint is_double):
        self.is_double = is_double
        self.index_targets = spec.target_kind == "index"

    cdef void evaluate(
        self, Py_ssize_t rows, Py_ssize_t width, const void* y_true, void* y_pred,
        const double* coefficients, double* values, void* delta,
    ) noexcept nogil:
        pass

    def values(self, floating[:, ::1] y_true, floating[:, ::1] y_pred):
        """The value of each row, for targets shaped like the prediction."""
        if y_true.shape[0] != y_pred.shape[0] or y_true.shape[1] != y_pred.shape[1] or self.index_targets:
            raise ValueError("y_true does not fit y_pred.")
        return self._values(y_pred, &y_true[0, 0] if y_true.shape[0] and y_true.shape[1] else NULL)

    def values_of_classes(self, const int64_t[::1] y_true, floating[:, ::1] y_pred):
        """The value of each row, for targets that are class numbers, checked here."""
        cdef Py_ssize_t r
        if y_true.shape[0] != y_pred.shape[0] or not self.index_targets:
            raise ValueError("y_true does not fit y_pred.")
        for r in range(y_true.shape[0]):
            if not 0 <= y_true[r] < y_pred.shape[1]:
                raise ValueError(f"Class {y_true[r]} is outside [0, {y_pred.shape[1]}).")
        return self._values(y_pred, &y_true[0] if y_true.shape[0] else NULL)

    cdef _values(self, floating[:, ::1] y_pred, const void* y_true):
        if self.is_double != (sizeof(floating) == sizeof(double)):
            raise ValueError("y_pred is of another float type.")
        result = np.empty(y_pred.shape[0])
        cdef double[::1] values = result
        if y_pred.shape[0] and y_pred.shape[1]:
            self.evaluate(y_pred.shape[0], y_pred.shape[1], y_true, &y_pred[0, 0], NULL, &values[0], NULL)
        return result
