"""What happens at one output of a network: its loss, its delta, its metrics.

Threads run different samples of a batch at the same time, each writing the values of its own rows. These are added up
by one thread when all have been through, in an order that does not depend on how they were divided.
"""

import numpy as np

from cpython.ref cimport PyObject
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from cbackprop.compiled.kernels.memory cimport address

cdef enum:
    MEAN_OVER_ROWS = 0
    SUM = 1
    MEAN_OVER_WEIGHTS = 2

REDUCTIONS = {
    "sum_over_batch_size": MEAN_OVER_ROWS, "mean": MEAN_OVER_ROWS,
    "sum": SUM, "mean_with_sample_weight": MEAN_OVER_WEIGHTS,
}


cdef double sum_of(Py_ssize_t n, const double* x, const double* weights) noexcept nogil:
    """Sum of x_i, or of w_i x_i unless weights is NULL: in four partial sums that do not wait for each other."""
    cdef double parts[4]
    cdef Py_ssize_t i, k
    for k in range(4):
        parts[k] = 0
    for i in range(0, n - 3, 4):
        for k in range(4):
            parts[k] += x[i + k] if weights == NULL else weights[i + k] * x[i + k]
    for i in range(n - n % 4, n):
        parts[0] += x[i] if weights == NULL else weights[i] * x[i]
    return (parts[0] + parts[1]) + (parts[2] + parts[3])


cdef class MetricSum:
    """Weighted sum of a metric's row values, and the sum of the weights."""

    def __init__(self, RowFunction function, bint weighted, bint masked=True):
        self.function = function
        self.weighted = weighted
        self.masked = masked

    def reset(self):
        """Start a new mean."""
        self.total = self.count = 0

    def snapshot(self):
        """The two sums."""
        return self.total, self.count

    def restore(self, state):
        """Go on from these sums."""
        self.total, self.count = state


cdef class Head:
    """The loss and the metrics of one output.

    Parameters
    ----------
    positions, width : int
        Rows of one sample of the prediction, and elements of one row.
    loss : RowFunction or None
    reduction : str
        A key of `REDUCTIONS`.
    loss_weight : float
    metrics : list of MetricSum and Tally
        Means of row values, whose kernels run with the loss, and metrics that see a batch as a whole afterwards.
    """

    def __cinit__(
        self, Py_ssize_t positions, Py_ssize_t width, RowFunction loss, str reduction, double loss_weight, list metrics
    ):
        cdef MetricSum metric
        cdef Py_ssize_t i
        self.positions = positions
        self.width = width
        self.loss = loss
        self.reduction = REDUCTIONS[reduction]
        self.loss_weight = loss_weight
        self.mask = -1
        self.metrics = [entry for entry in metrics if isinstance(entry, MetricSum)]
        self.tallies = [entry for entry in metrics if not isinstance(entry, MetricSum)]
        self.n_metrics, self.n_tallies = len(self.metrics), len(self.tallies)
        self.calls_python = any([(<Tally?>tally).in_python for tally in self.tallies])
        if any([tally.width != width for tally in self.tallies]):
            raise ValueError("A metric does not fit the output.")
        self.tally_pointers = <PyObject**>calloc(self.n_tallies + 1, sizeof(PyObject*))
        self.metric_pointers = <PyObject**>calloc(self.n_metrics + 1, sizeof(PyObject*))
        if self.metric_pointers == NULL or self.tally_pointers == NULL:
            raise MemoryError()
        for i, metric in enumerate(self.metrics):
            self.metric_pointers[i] = <PyObject*>metric
        for i in range(self.n_tallies):
            self.tally_pointers[i] = <PyObject*>self.tallies[i]
        readers = [*([] if loss is None else [loss]), *[metric.function for metric in self.metrics], *self.tallies]
        forms = {"nothing" if r.reads == "nothing" else "index" if r.index_targets else "values" for r in readers}
        self.reads_values, self.reads_classes = "values" in forms, "index" in forms

    def __dealloc__(self):
        free(self.metric_pointers)
        free(self.tally_pointers)

    def reset(self):
        """Start all metrics anew."""
        for metric in [*self.metrics, *self.tallies]:
            metric.reset()

    def allocate(self, Py_ssize_t samples):
        """Make room for batches of up to this many samples."""
        cdef Py_ssize_t rows = samples * self.positions, i
        cdef Py_ssize_t n = 3 + self.n_metrics
        cdef double[::1] memory = np.zeros((n + 2 * (self.mask >= 0)) * rows)
        cdef MetricSum metric
        self.memory = memory
        self.coefficients = &memory[0]
        self.values = &memory[rows]
        self.weights = &memory[2 * rows]
        for i, metric in enumerate(self.metrics):
            metric.values = &memory[(3 + i) * rows]
        if self.mask >= 0:
            self.shown = &memory[n * rows]
            self.masked_weights = &memory[(n + 1) * rows]
        if self.n_tallies:
            self.allocate_batch(rows)

    cdef allocate_batch(self, Py_ssize_t rows):
        """Make room for the predictions and targets of a whole batch, which are elsewhere by the time it is judged."""
        cdef Tally tally
        dtype = np.float64 if self.is_double else np.float32
        wanted = [tally.index_targets for tally in self.tallies]
        values = np.empty(0 if all(wanted) else rows * self.width, dtype)
        classes = np.empty(rows if any(wanted) else 0, np.int64)
        self.kept = [np.empty(rows * self.width, dtype), values, classes]
        self.predictions = <char*>address(self.kept[0], dtype, rows * self.width)
        self.target_values = <char*>address(values, dtype, rows * self.width) if values.size else NULL
        self.target_classes = <int64_t*>address(classes, np.int64, rows) if classes.size else NULL

    @property
    def alone(self) -> bool:
        """Whether the loss must be called once with a whole batch."""
        return self.is_alone()

    cdef bint is_alone(self) noexcept nogil:
        """Whether the loss must be called once with a whole batch."""
        return self.loss is not None and self.loss.alone

    cdef double divisor(self, Py_ssize_t samples, double total_weight) noexcept nogil:
        """What the sum of the weighted values of a batch is divided by."""
        if self.reduction == MEAN_OVER_WEIGHTS:
            return total_weight if total_weight > 0 else 1
        return samples * self.positions if self.reduction == MEAN_OVER_ROWS else 1

    cdef void weigh(self, const Batch* batch, const Target* target, Py_ssize_t offset) noexcept nogil:
        """Of an output with a mask: which of these rows count, and how much."""
        cdef Py_ssize_t rows = batch.rows * self.positions, first = offset * self.positions, r
        cdef const void* mask = batch.buffers[self.mask].value
        for r in range(rows):
            self.shown[first + r] = (<const double*>mask)[r] if self.is_double else (<const float*>mask)[r]
            self.masked_weights[first + r] = self.shown[first + r] * (
                1 if target.weights == NULL else target.weights[r]
            )

    cdef double masked_divisor(self, Py_ssize_t samples) noexcept nogil:
        """What the sum of the weighted values of a batch is divided by, once all its rows have been weighed."""
        cdef double total = 1
        if self.reduction != SUM:
            total = sum_of(
                samples * self.positions, self.shown if self.reduction == MEAN_OVER_ROWS else self.masked_weights, NULL
            )
        return total if total > 0 else 1

    cdef const double* weights_of(self, bint masked, bint weighted) noexcept nogil:
        """The weights of the batch's rows, for what is masked or weighted; NULL: all 1."""
        if masked and self.mask >= 0:
            return self.masked_weights if weighted else self.shown
        return self.weights if weighted else NULL

    cdef void run(
        self, const Batch* batch, const Target* target, Py_ssize_t offset, double divisor, bint with_delta
    ) noexcept nogil:
        """The values of the loss and of metrics, and if wanted the prediction's delta.

        Its row r is d (loss_weight batch_loss) / d prediction, batch_loss = sum of w_r value_r / divisor.
        """
        cdef Py_ssize_t rows = batch.rows * self.positions, first = offset * self.positions, i, r
        cdef double* coefficients = self.coefficients + first
        cdef void* prediction = batch.buffers[self.output].value
        cdef double scale = self.loss_weight / divisor
        cdef const double* weights = target.weights if self.mask < 0 else self.masked_weights + first
        if target.weights != NULL:
            memcpy(self.weights + first, target.weights, rows * sizeof(double))
        if self.loss is not None:
            for r in range(rows):
                coefficients[r] = scale if weights == NULL else scale * weights[r]
            self.loss.evaluate(
                rows, self.width, <const void*>target.classes if self.loss.index_targets else target.values,
                prediction, coefficients, self.values + first, batch.buffers[self.output].delta if with_delta else NULL,
            )
        for i in range(self.n_metrics):
            (<MetricSum>self.metric_pointers[i]).function.evaluate(
                rows, self.width,
                <const void*>target.classes if (<MetricSum>self.metric_pointers[i]).function.index_targets
                else target.values,
                prediction, NULL, (<MetricSum>self.metric_pointers[i]).values + first, NULL,
            )
        if self.n_tallies:
            self.keep(first, rows, target, prediction)

    cdef void keep(
        self, Py_ssize_t first, Py_ssize_t rows, const Target* target, const void* prediction
    ) noexcept nogil:
        """Copy the predictions and targets of some rows to where the whole batch is to be."""
        cdef Py_ssize_t row_bytes = self.width * (8 if self.is_double else 4)
        memcpy(self.predictions + first * row_bytes, prediction, rows * row_bytes)
        if self.target_values != NULL:
            memcpy(self.target_values + first * row_bytes, target.values, rows * row_bytes)
        if self.target_classes != NULL:
            memcpy(self.target_classes + first, target.classes, rows * sizeof(int64_t))

    cdef double add_up(self, Py_ssize_t samples, bint weighted, double divisor) noexcept nogil:
        """The loss of a batch; and add the batch to the metrics: total += sum of w_r value_r, count += sum of w_r."""
        cdef Py_ssize_t rows = samples * self.positions, i
        for i in range(self.n_metrics):
            self.add_metric(<MetricSum>self.metric_pointers[i], rows, weighted)
        for i in range(self.n_tallies):
            self.add_tally(<Tally>self.tally_pointers[i], rows, weighted)
        return 0 if self.loss is None else sum_of(rows, self.values, self.weights_of(True, weighted)) / divisor

    cdef void add_metric(self, MetricSum metric, Py_ssize_t rows, bint weighted) noexcept nogil:
        cdef const double* weights = self.weights_of(metric.masked, weighted and metric.weighted)
        metric.total += sum_of(rows, metric.values, weights)
        metric.count += rows if weights == NULL else sum_of(rows, weights, NULL)

    cdef void add_tally(self, Tally tally, Py_ssize_t rows, bint weighted) noexcept nogil:
        tally.update(
            rows, <const void*>self.target_classes if tally.index_targets else self.target_values, self.predictions,
            self.weights_of(tally.masked, weighted and tally.weighted), False,
        )
