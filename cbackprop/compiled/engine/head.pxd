from cpython.ref cimport PyObject
from libc.stdint cimport int64_t

from cbackprop.compiled.layers.layer cimport Batch, Buffer
from cbackprop.compiled.losses.row_function cimport RowFunction


cdef class MetricSum:
    cdef RowFunction function
    cdef bint weighted
    cdef public double total
    cdef public double count


cdef class Head:
    cdef Buffer* prediction
    cdef Py_ssize_t positions       # rows of the prediction for each sample
    cdef Py_ssize_t width
    cdef const void* values         # (rows, width): targets shaped like the prediction
    cdef const int64_t* classes     # (rows,): targets that are class numbers
    cdef const double* weights      # (rows,), or NULL
    cdef RowFunction loss
    cdef double loss_weight
    cdef int reduction
    cdef list metrics               # of MetricSum: keeps alive what metric_pointers points to
    cdef PyObject** metric_pointers
    cdef Py_ssize_t n_metrics
    cdef double* coefficients       # (rows,)
    cdef double* row_values         # (rows,)
    cdef readonly double batch_loss
    cdef double[::1] memory

    cdef void run(self, const Batch* batch, bint with_delta) noexcept nogil
    cdef const void* target_of(self, RowFunction function) noexcept nogil
    cdef void run_loss(self, Py_ssize_t rows, bint with_delta) noexcept nogil
    cdef void run_metric(self, MetricSum metric, Py_ssize_t rows) noexcept nogil
