from cpython.ref cimport PyObject
from cython cimport floating
from libc.stdint cimport int64_t

from cbackprop.compiled.engine.context cimport Target
from cbackprop.compiled.layers.layer cimport Batch
from cbackprop.compiled.losses.row_function cimport RowFunction
from cbackprop.compiled.metrics.tally cimport Tally


cdef class MetricSum:
    cdef RowFunction function
    cdef bint weighted
    cdef bint masked                # the mask decides which rows count
    cdef public double total
    cdef public double count
    cdef double* values             # (rows,)


cdef class Head:
    cdef readonly Py_ssize_t positions      # rows of the prediction for each sample
    cdef readonly Py_ssize_t width
    cdef Py_ssize_t output                  # the buffer of the prediction
    cdef Py_ssize_t mask                    # the buffer of its mask, or -1
    cdef RowFunction loss
    cdef double loss_weight
    cdef int reduction
    # The data
    cdef bint by_element            # each element of a row has a value and a weight of its own
    cdef bint row_weights           # the data has a weight for each row, though units are elements
    cdef Py_ssize_t per_row         # units of a row: 1, or all elements
    cdef tuple given_shape          # shape of one sample's targets as the user gave them
    cdef Py_ssize_t given_width
    cdef readonly bint missing      # targets of NaN, and the class MISSING, do not count
    cdef bint ignores               # rows of the class `ignored` do not count in the loss
    cdef int64_t ignored
    cdef readonly bint selects      # targets decide which units count
    cdef list metrics               # of MetricSum: kept alive for metric_pointers
    cdef PyObject** metric_pointers
    cdef Py_ssize_t n_metrics
    cdef double* coefficients       # (units,)
    cdef double* values             # (units,): of the loss
    cdef double* weights            # (units,)
    cdef double* shown              # (units,): 0 or 1: whether a unit counts in the loss; or the mask's number
    cdef double* counted            # (units,): `shown` times the weights
    cdef double* present            # (units,): 0 if the target is missing, else 1
    cdef double* tally_weights      # (units,): the weights of units in one of the metrics
    cdef double* mask_rows          # (rows,): the mask, or 1
    cdef double* scratch            # (samples, scratch_doubles): memory of the loss, or of a metric, while it runs
    cdef Py_ssize_t scratch_doubles
    cdef double[::1] memory
    cdef list sifted                # the arrays of these pointers, which are NULL if no targets are missing or ignored
    cdef char* clean_values         # (rows, width): targets, with 0 for missing ones
    cdef int64_t* labels            # (rows,): class numbers as they were given
    cdef int64_t* clean_classes     # (rows,): class numbers, with 0 for numbers that are no class
    # Metrics that see a batch as a whole
    cdef readonly list tallies
    cdef PyObject** tally_pointers
    cdef Py_ssize_t n_tallies
    cdef bint is_double
    cdef readonly bint calls_python
    cdef list kept                  # the arrays of these, (rows, width) or (rows,); NULL if no metric needs it
    cdef char* predictions
    cdef char* target_values
    cdef int64_t* target_classes
    cdef char* target_given

    cdef bint set_form(self, bint element_weights, bint row_weights, tuple given_shape) except -1
    cdef bint takes_any_label(self)
    cdef char* char_pointer(self, array) except? NULL
    cdef allocate_batch(self, Py_ssize_t samples)
    cdef void keep(
        self, Py_ssize_t first, Py_ssize_t rows, const Target* target, const void* prediction
    ) noexcept nogil
    cdef bint couples_samples(self) noexcept nogil
    cdef bint sifts(self) noexcept nogil
    cdef Py_ssize_t units(self, Py_ssize_t samples) noexcept nogil
    cdef double divisor(self, Py_ssize_t samples, double total_weight) noexcept nogil
    cdef double row_divisor(self, double divisor) noexcept nogil
    cdef void weigh(self, const Batch* batch, const Target* target, Py_ssize_t offset) noexcept nogil
    cdef double given_weight(self, const Target* target, Py_ssize_t i) noexcept nogil
    cdef void read_classes(self, Py_ssize_t rows, Py_ssize_t first, const int64_t* classes) noexcept nogil
    cdef void read_values(
        self, Py_ssize_t rows, Py_ssize_t first, const floating* y, floating* clean, bint whole
    ) noexcept nogil
    cdef bint is_sum(self) noexcept nogil
    cdef double masked_divisor(self, Py_ssize_t begin, Py_ssize_t samples) noexcept nogil
    cdef void run(
        self, const Batch* batch, const Target* target, Py_ssize_t offset, double divisor, bint with_delta
    ) noexcept nogil
    cdef void run_metric(
        self, MetricSum metric, const Target* target, Py_ssize_t first, Py_ssize_t rows, void* prediction
    ) noexcept nogil
    cdef const void* targets_of(
        self, RowFunction function, const Target* target, Py_ssize_t first
    ) noexcept nogil
    cdef void clear(self, Py_ssize_t first, Py_ssize_t units, void* delta) noexcept nogil
    cdef double add_up(self, Py_ssize_t samples, bint weighted, double divisor) noexcept nogil
    cdef void add_metric(self, MetricSum metric, Py_ssize_t rows, bint weighted) noexcept nogil
    cdef double weight_of(self, Py_ssize_t i, Py_ssize_t per_row, bint masked, bint weighted) noexcept nogil
    cdef bint is_present(self, Py_ssize_t i, Py_ssize_t per_row) noexcept nogil
    cdef void add_tally(self, Tally tally, Py_ssize_t rows, bint weighted) noexcept nogil
