"""A value for each row of a prediction, and where it is a loss, the row's delta in the same pass."""

import numpy as np

from cython cimport floating
from libc.stdint cimport int64_t

from cbackprop.contract.kernel_check import check_kernel


cdef class RowFunction:
    """Subclasses read what they need from `spec` and override `evaluate`.

    Parameters
    ----------
    spec : cbackprop.losses.Loss or cbackprop.metrics.Metric
        What the user wrote.
    linked : bool
        Whether a loss gets logits in y_pred, and is to replace them by the predictions.
    is_double : bool

    Attributes
    ----------
    reads : str or None
        The form of targets that the kernel reads, as in `target_kind` of the spec; None: any. ``"nothing"``: none.
    links : tuple of str
        The activations that the kernel can take over.
    each_element : bool
        Whether the value of a row is the mean of those of its elements, each a row by itself.
    takes_any_label : bool
        Whether labels may be outside of the classes.
    """

    reads = "values"
    links = ()
    each_element = takes_any_label = False

    def __init__(self, spec, bint linked, bint is_double):
        check_kernel(self, spec, linked)
        self.is_double = is_double
        self.index_targets = spec.target_kind == "index"
        self.given_targets = spec.target_kind == "given"
        self.couples_samples = spec.couples_samples
        self.elementwise = self.each_element
        self.any_labels = self.takes_any_label
        self.missing = getattr(spec, "missing", None) == "ignore"
        ignored = getattr(spec, "ignore_class", None)
        self.ignores, self.ignored = self.index_targets and ignored is not None, ignored or 0

    def set_shape(self, tuple shape):
        """What one sample of the prediction looks like, for losses that see more than rows."""

    def set_given_shape(self, tuple shape):
        """What the targets of one sample look like, for losses that read them as they were given."""

    def form(self):
        """The form of targets that is read: "values", "index" or "given"; None: none at all."""
        if self.reads == "nothing":
            return None
        return "given" if self.given_targets else "index" if self.index_targets else "values"

    cdef void evaluate(
        self, Py_ssize_t rows, Py_ssize_t width, const void* y_true, void* y_pred,
        const double* coefficients, double* values, void* delta,
    ) noexcept nogil:
        pass

    def values(
        self, floating[:, ::1] y_true, floating[:, ::1] y_pred,
        const double[::1] coefficients=None, floating[:, ::1] delta=None,
    ):
        """The value of each row, for targets shaped like the prediction.

        Given coefficients (rows,) IN and delta (rows, width) OUT, also the loss's delta.
        """
        if y_true.shape[0] != y_pred.shape[0] or y_true.shape[1] != y_pred.shape[1] or self.index_targets:
            raise ValueError("y_true does not fit y_pred.")
        return self._values(
            y_pred, &y_true[0, 0] if y_true.shape[0] and y_true.shape[1] else NULL, coefficients, delta
        )

    def values_of_classes(
        self, const int64_t[::1] y_true, floating[:, ::1] y_pred,
        const double[::1] coefficients=None, floating[:, ::1] delta=None,
    ):
        """The value of each row, for targets that are class numbers, checked here; delta as in `values`."""
        cdef Py_ssize_t r
        if y_true.shape[0] != y_pred.shape[0] or not self.index_targets:
            raise ValueError("y_true does not fit y_pred.")
        for r in range(0 if self.any_labels else y_true.shape[0]):
            if not 0 <= y_true[r] < y_pred.shape[1]:
                raise ValueError(f"Class {y_true[r]} is outside [0, {y_pred.shape[1]}).")
        return self._values(y_pred, &y_true[0] if y_true.shape[0] else NULL, coefficients, delta)

    cdef _values(
        self, floating[:, ::1] y_pred, const void* y_true, const double[::1] coefficients, floating[:, ::1] delta
    ):
        cdef const double* c = NULL
        cdef void* d = NULL
        if self.is_double != (sizeof(floating) == sizeof(double)):
            raise ValueError("y_pred is of another float type.")
        result = np.empty(y_pred.shape[0])
        cdef double[::1] values = result
        if not (y_pred.shape[0] and y_pred.shape[1]):
            return result
        if delta is not None:
            if delta.shape[0] != y_pred.shape[0] or delta.shape[1] != y_pred.shape[1]:
                raise ValueError("delta does not fit y_pred.")
            if coefficients is None or coefficients.shape[0] != y_pred.shape[0]:
                raise ValueError("delta needs one coefficient for each row.")
            c, d = &coefficients[0], &delta[0, 0]
        self.evaluate(y_pred.shape[0], y_pred.shape[1], y_true, &y_pred[0, 0], c, &values[0], d)
        return result


cdef class KernelFunction(RowFunction):
    """A row function that is one kernel, in two float types; subclasses set `kernel32`, `kernel64` and `parameter`."""

    cdef void evaluate(
        self, Py_ssize_t rows, Py_ssize_t width, const void* y_true, void* y_pred,
        const double* coefficients, double* values, void* delta,
    ) noexcept nogil:
        if self.is_double:
            self.kernel64(
                rows, width, <const double*>y_true, <const double*>y_pred, self.parameter,
                coefficients, values, <double*>delta,
            )
        else:
            self.kernel32(
                rows, width, <const float*>y_true, <const float*>y_pred, self.parameter,
                coefficients, values, <float*>delta,
            )
