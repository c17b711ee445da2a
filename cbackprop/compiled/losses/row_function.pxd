"""The base of compiled losses and metrics. Other packages may `cimport` it to add their own."""

from cython cimport floating


cdef class RowFunction:
    cdef bint is_double
    cdef readonly bint index_targets    # y_true is (rows,) int64, one class a row; else like y_pred

    cdef void evaluate(
        self,
        Py_ssize_t rows,
        Py_ssize_t width,
        const void* y_true,             # (rows, width) IN, or (rows,) int64
        void* y_pred,                   # (rows, width) IN; a loss that took over a link writes f(y_pred) there
        const double* coefficients,     # (rows,) IN: what each row's value counts in the total loss
        double* values,                 # (rows,) OUT
        void* delta,                    # (rows, width) OUT: coefficient times d value / d y_pred; NULL: not wanted
    ) noexcept nogil
    cdef _values(self, floating[:, ::1] y_pred, const void* y_true)
