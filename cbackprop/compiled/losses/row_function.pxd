"""The bases of compiled losses and metrics: those for float32 end in 32, those for float64 in 64."""

from libc.stdint cimport int64_t

from cbackprop.compiled.engine.failure cimport Failure

# A loop over rows of targets and predictions, with one parameter. Other arguments are those of `evaluate`.
ctypedef void (*Kernel32)(
    Py_ssize_t rows, Py_ssize_t width, const float* y_true, const float* y_pred, double parameter,
    const double* coefficients, double* values, float* delta,
) noexcept nogil
ctypedef void (*Kernel64)(
    Py_ssize_t rows, Py_ssize_t width, const double* y_true, const double* y_pred, double parameter,
    const double* coefficients, double* values, double* delta,
) noexcept nogil


cdef class RowFunction:
    cdef readonly bint couples_samples  # must be called once with all rows of a batch
    cdef Failure* failure               # stores the exception of a loss in Python
    cdef readonly bint index_targets    # y_true is (rows,) int64, a class for each row; else like y_pred
    cdef readonly bint given_targets    # y_true is as the user gave it, of any shape
    cdef readonly bint elementwise      # the value of a row is the mean of its elements' values, each taken as a row
    cdef readonly bint missing          # targets of NaN and class -1 do not count; the kernel gets valid ones instead
    cdef readonly bint ignores          # targets of the class `ignored` do not count
    cdef readonly int64_t ignored
    cdef readonly bint any_labels       # labels may be outside of the classes
    cdef readonly Py_ssize_t scratch_doubles    # for each sample, for `evaluate_with`

    cdef void evaluate(
        self,
        Py_ssize_t rows,
        Py_ssize_t width,
        const void* y_true,             # (rows, width) IN, or (rows,) int64
        void* y_pred,                   # (rows, width) IN; a loss with a link replaces it by f(y_pred)
        const double* coefficients,     # (rows,) IN: the weight of each row's value in the loss; NULL without delta
        double* values,                 # (rows,) OUT
        void* delta,                    # (rows, width) OUT: coefficient times d value / d y_pred; NULL: not wanted
    ) noexcept nogil
    cdef void evaluate_with(
        self, Py_ssize_t rows, Py_ssize_t width, const void* y_true, void* y_pred, const double* coefficients,
        double* values, void* delta,
        double* scratch,                # (samples, scratch_doubles), destroyed
    ) noexcept nogil


cdef class RowFunction32(RowFunction):
    cdef _values(
        self, float[:, ::1] y_pred, const void* y_true, const double[::1] coefficients, float[:, ::1] delta
    )


cdef class RowFunction64(RowFunction):
    cdef _values(
        self, double[:, ::1] y_pred, const void* y_true, const double[::1] coefficients, double[:, ::1] delta
    )


cdef class KernelFunction32(RowFunction32):
    cdef Kernel32 kernel
    cdef double parameter


cdef class KernelFunction64(RowFunction64):
    cdef Kernel64 kernel
    cdef double parameter
