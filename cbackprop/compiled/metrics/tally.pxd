"""The bases of compiled metrics that get whole batches: `Tally32` for float32, `Tally64` for float64."""

from cbackprop.compiled.engine.failure cimport Failure


cdef class Tally:
    cdef readonly bint index_targets    # y_true is (rows,) int64, a class for each row; else like y_pred
    cdef readonly bint given_targets    # y_true is as the user gave it, of any shape
    cdef readonly bint elementwise      # each element of a row may have a weight of its own
    cdef readonly bint weighted         # whether sample weights are used
    cdef readonly bint masked           # whether the mask of the predictions decides which rows count
    cdef readonly bint in_python        # it may fail, and stores its exception in `failure`
    cdef Failure* failure
    cdef readonly Py_ssize_t width      # elements of a row
    cdef double[::1] memory             # the sums: kept alive here
    cdef double* sums

    cdef void update(
        self,
        Py_ssize_t rows,
        const void* y_true,             # (rows, width) IN, or (rows,) int64
        const void* y_pred,             # (rows, width) IN
        const double* weights,          # (rows,) IN, or with `each` (rows, width); NULL: all 1
        bint each,
    ) noexcept nogil
    cdef set_sums(self, spec, Py_ssize_t size)
    cdef set_size(self, Py_ssize_t size)


cdef class Tally32(Tally):
    cdef _add(self, float[:, ::1] y_pred, const void* y_true, const double[::1] weights)


cdef class Tally64(Tally):
    cdef _add(self, double[:, ::1] y_pred, const void* y_true, const double[::1] weights)
