from cpython.ref cimport PyObject
from libc.stdint cimport int64_t

from cbackprop.compiled.engine.context cimport Target
from cbackprop.compiled.layers.layer cimport Batch
from cbackprop.compiled.losses.row_function cimport RowFunction
from cbackprop.compiled.metrics.tally cimport Tally


cdef class MetricSum:
    cdef RowFunction function
    cdef bint weighted
    cdef bint masked                # rows count as the mask says
    cdef public double total
    cdef public double count
    cdef double* values             # (rows,)


cdef class Head:
    cdef readonly Py_ssize_t positions      # rows of the prediction for each sample
    cdef readonly Py_ssize_t width
    cdef Py_ssize_t output                  # the buffer of the prediction
    cdef Py_ssize_t mask                    # the buffer of its mask, or -1
    cdef RowFunction loss
    cdef bint reads_values, reads_classes   # the forms of targets without which it must not run
    cdef double loss_weight
    cdef int reduction
    cdef list metrics               # of MetricSum: keeps alive what metric_pointers points to
    cdef PyObject** metric_pointers
    cdef Py_ssize_t n_metrics
    cdef double* coefficients       # (rows,)
    cdef double* values             # (rows,): of the loss
    cdef double* weights            # (rows,)
    cdef double* shown              # (rows,): the mask of an output that has one
    cdef double* masked_weights     # (rows,): that times the weights
    cdef double[::1] memory
    # Metrics that see a batch as a whole
    cdef readonly list tallies
    cdef PyObject** tally_pointers
    cdef Py_ssize_t n_tallies
    cdef bint is_double
    cdef readonly bint calls_python
    cdef list kept                  # what these point into: (rows, width) or (rows,); NULL where no metric wants it
    cdef char* predictions
    cdef char* target_values
    cdef int64_t* target_classes

    cdef allocate_batch(self, Py_ssize_t rows)
    cdef void keep(
        self, Py_ssize_t first, Py_ssize_t rows, const Target* target, const void* prediction
    ) noexcept nogil
    cdef bint is_alone(self) noexcept nogil
    cdef double divisor(self, Py_ssize_t samples, double total_weight) noexcept nogil
    cdef void weigh(self, const Batch* batch, const Target* target, Py_ssize_t offset) noexcept nogil
    cdef double masked_divisor(self, Py_ssize_t samples) noexcept nogil
    cdef const double* weights_of(self, bint masked, bint weighted) noexcept nogil
    cdef void run(
        self, const Batch* batch, const Target* target, Py_ssize_t offset, double divisor, bint with_delta
    ) noexcept nogil
    cdef double add_up(self, Py_ssize_t samples, bint weighted, double divisor) noexcept nogil
    cdef void add_metric(self, MetricSum metric, Py_ssize_t rows, bint weighted) noexcept nogil
    cdef void add_tally(self, Tally tally, Py_ssize_t rows, bint weighted) noexcept nogil
