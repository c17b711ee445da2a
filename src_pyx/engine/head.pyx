"""What happens at one output of a network: its loss, its delta, its metrics."""

import numpy as np

from cpython.ref cimport PyObject
from libc.stdlib cimport calloc, free

cdef enum:
    MEAN_OVER_ROWS = 0
    SUM = 1
    MEAN_OVER_WEIGHTS = 2

REDUCTIONS = {
    "sum_over_batch_size": MEAN_OVER_ROWS, "mean": MEAN_OVER_ROWS,
    "sum": SUM, "mean_with_sample_weight": MEAN_OVER_WEIGHTS,
}


cdef class MetricSum:
    """Weighted sum of a metric's row values, and the sum of the weights."""

    def __init__(self, RowFunction function, bint weighted):
        self.function = function
        self.weighted = weighted

    def reset(self):
        """Start a new mean."""
        self.total = self.count = 0


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
    metrics : list of MetricSum
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
        self.metrics = list(metrics)
        self.n_metrics = len(metrics)
        self.metric_pointers = <PyObject**>calloc(self.n_metrics + 1, sizeof(PyObject*))
        if self.metric_pointers == NULL:
            raise MemoryError()
        for i, metric in enumerate(self.metrics):
            self.metric_pointers[i] = <PyObject*>metric

    def __dealloc__(self):
        free(self.metric_pointers)

    def allocate(self, Py_ssize_t rows):
        """Make room for batches of up to this many samples."""
        cdef double[::1] memory = np.zeros(2 * rows * self.positions)
        self.memory = memory
        self.coefficients = &self.memory[0]
        self.row_values = &self.memory[rows * self.positions]

    cdef void run(self, const Batch* batch, bint with_delta) noexcept nogil:
        """Set `batch_loss` and, if wanted, the prediction's delta; add to the metrics."""
        cdef Py_ssize_t i, rows = batch.rows * self.positions
        self.batch_loss = 0
        if self.loss is not None:
            self.run_loss(rows, with_delta)
        for i in range(self.n_metrics):
            self.run_metric(<MetricSum>self.metric_pointers[i], rows)

    cdef const void* target_of(self, RowFunction function) noexcept nogil:
        return <const void*>self.classes if function.index_targets else self.values

    cdef void run_loss(self, Py_ssize_t rows, bint with_delta) noexcept nogil:
        """batch_loss = sum of w_r value_r / divisor; delta = d (loss_weight batch_loss) / d prediction."""
        cdef Py_ssize_t r
        cdef double divisor = rows if self.reduction == MEAN_OVER_ROWS else 1
        cdef double total = 0
        if self.reduction == MEAN_OVER_WEIGHTS:
            divisor = rows
            if self.weights != NULL:
                divisor = 0
                for r in range(rows):
                    divisor += self.weights[r]
                divisor = divisor if divisor > 0 else 1
        for r in range(rows):
            self.coefficients[r] = self.loss_weight * (1 if self.weights == NULL else self.weights[r]) / divisor
        self.loss.evaluate(
            rows, self.width, self.target_of(self.loss), self.prediction.value,
            self.coefficients, self.row_values, self.prediction.delta if with_delta else NULL,
        )
        for r in range(rows):
            total += self.row_values[r] * (1 if self.weights == NULL else self.weights[r])
        self.batch_loss = total / divisor

    cdef void run_metric(self, MetricSum metric, Py_ssize_t rows) noexcept nogil:
        """total += sum of w_r value_r; count += sum of w_r."""
        cdef Py_ssize_t r
        metric.function.evaluate(
            rows, self.width, self.target_of(metric.function), self.prediction.value, NULL, self.row_values, NULL
        )
        if metric.weighted and self.weights != NULL:
            for r in range(rows):
                metric.total += self.row_values[r] * self.weights[r]
                metric.count += self.weights[r]
        else:
            for r in range(rows):
                metric.total += self.row_values[r]
            metric.count += rows
