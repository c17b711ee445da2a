"""The bases of compiled metrics that see a batch as a whole: for float32 `Tally32`, for float64 `Tally64`."""

from cbackprop.compiled.engine.failure cimport Failure


cdef class Tally:
    cdef readonly bint index_targets    # y_true is (rows,) int64, one class a row; else like y_pred
    cdef readonly bint given_targets    # y_true is as users gave it, whatever that is for each sample
    cdef readonly bint elementwise      # each element of a row may have a weight of its own
    cdef readonly bint weighted         # whether weights of samples count
    cdef readonly bint masked           # whether rows count as the mask of the predictions says
    cdef readonly bint in_python        # it may fail, and leaves its exception in `failure`
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
