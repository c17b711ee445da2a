"""One output of a network: its loss, its delta, its metrics.

Threads run different samples of a batch at the same time, and each writes the values of its own rows. When all are
done, one thread adds these values up, in an order that does not depend on how the rows were divided.
"""

import numpy as np

from cpython.ref cimport PyObject
from cython cimport floating
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from cbackprop.compiled.kernels.memory cimport address

# The class number of a target that is missing; as in `cbackprop.losses.target`.
cdef int64_t MISSING = -1

cdef enum:
    MEAN_OVER_ROWS = 0
    SUM = 1
    MEAN_OVER_WEIGHTS = 2

REDUCTIONS = {
    "sum_over_batch_size": MEAN_OVER_ROWS, "mean": MEAN_OVER_ROWS,
    "sum": SUM, "mean_with_sample_weight": MEAN_OVER_WEIGHTS,
}


cdef double sum_of(Py_ssize_t n, const double* x, const double* weights) noexcept nogil:
    """Sum of x_i, or of w_i x_i unless weights is NULL. Four partial sums do not wait for each other's additions."""
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
    """The weighted sum of a metric's row values, and the sum of the weights."""

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
        """Continue from these sums."""
        self.total, self.count = state


cdef class Head:
    """The loss and the metrics of one output.

    A unit has one value and one weight. It is a row of the prediction, or an element of a row if weights belong to
    elements or if elements without a target are left out (`by_element`).

    Parameters
    ----------
    positions, width : int
        Rows of one sample of the prediction, and elements of one row.
    loss : RowFunction or None
    reduction : str
        A key of `REDUCTIONS`.
    loss_weight : float
    metrics : list of MetricSum and Tally
        Means of row values, which are computed together with the loss, and metrics that get the whole batch afterwards.
    """

    def __cinit__(
        self, Py_ssize_t positions, Py_ssize_t width, RowFunction loss, str reduction, double loss_weight, list metrics
    ):
        cdef MetricSum metric
        cdef Tally tally
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
        self.missing = loss is not None and loss.missing
        self.ignores, self.ignored = loss is not None and loss.ignores, 0 if loss is None else loss.ignored
        self.selects = self.missing or self.ignores or any(
            [(<MetricSum>metric).function.ignores for metric in self.metrics]
        )
        self.set_form(False, False, ())

    def __dealloc__(self):
        free(self.metric_pointers)
        free(self.tally_pointers)

    def reset(self):
        """Start all metrics anew."""
        for metric in [*self.metrics, *self.tallies]:
            metric.reset()

    # Data

    cdef bint set_form(self, bint element_weights, bint row_weights, tuple given_shape) except -1:
        """Note which data there is. Return whether the head needs other memory than before."""
        cdef bint each = self.width > 1 and self.loss is not None and self.loss.elementwise
        cdef bint by_element = each and (element_weights or self.missing)
        cdef MetricSum metric
        cdef bint changed = by_element != self.by_element or given_shape != self.given_shape
        if element_weights and not by_element:
            raise ValueError("Weights of elements do not fit the output.")
        self.by_element, self.row_weights = by_element, row_weights
        self.per_row = self.width if by_element else 1
        self.given_shape, self.given_width = given_shape, 1
        for size in given_shape:
            self.given_width *= size
        if self.loss is not None:
            self.loss.set_given_shape(given_shape)
        for tally in self.tallies:
            tally.set_given_shape(given_shape)
        for metric in self.metrics:
            metric.function.set_given_shape(given_shape)
        functions = [self.loss] if self.loss is not None else []
        functions += [metric.function for metric in self.metrics]
        self.scratch_doubles = max([function.scratch_doubles for function in functions], default=0)
        return changed

    def wanted(self):
        """The forms of targets that the loss and the metrics read."""
        cdef RowFunction function
        cdef Tally tally
        functions = [self.loss] if self.loss is not None else []
        functions += [(<MetricSum>metric).function for metric in self.metrics]
        forms = {function.form() for function in functions} | {tally.form() for tally in self.tallies}
        return forms - {None}

    cdef bint takes_any_label(self):
        """Whether any class number is safe: kernels get corrected ones, or do not use them as indices."""
        cdef RowFunction function
        functions = [self.loss] if self.loss is not None else []
        functions += [(<MetricSum>metric).function for metric in self.metrics]
        return self.selects or all([function.any_labels or not function.index_targets for function in functions])

    def allocate(self, Py_ssize_t samples):
        """Allocate memory for batches of up to this many samples."""
        cdef Py_ssize_t rows = samples * self.positions, units = rows * self.per_row, i
        cdef MetricSum metric
        self.memory = np.zeros((7 + self.n_metrics) * units + rows + samples * self.scratch_doubles)
        self.coefficients = &self.memory[0]
        self.values = &self.memory[units]
        self.weights = &self.memory[2 * units]
        self.shown = &self.memory[3 * units]
        self.counted = &self.memory[4 * units]
        self.present = &self.memory[5 * units]
        self.tally_weights = &self.memory[6 * units]
        for i, metric in enumerate(self.metrics):
            metric.values = &self.memory[(7 + i) * units]
        self.mask_rows = &self.memory[(7 + self.n_metrics) * units]
        self.scratch = self.mask_rows + rows
        dtype = np.float64 if self.is_double else np.float32
        self.sifted = [np.zeros(rows * self.width if self.missing else 0, dtype), None, None]
        self.sifted[1:] = np.zeros((2, rows if self.selects else 0), np.int64)
        self.clean_values = self.char_pointer(self.sifted[0])
        self.labels = <int64_t*>self.char_pointer(self.sifted[1])
        self.clean_classes = <int64_t*>self.char_pointer(self.sifted[2])
        if self.n_tallies:
            self.allocate_batch(samples)

    cdef char* char_pointer(self, array) except? NULL:
        return <char*>address(array, array.dtype, array.size) if array.size else NULL

    cdef allocate_batch(self, Py_ssize_t samples):
        """Allocate memory for copies of predictions and targets, which are kept until the whole batch is done."""
        cdef Tally tally
        cdef Py_ssize_t rows = samples * self.positions
        dtype = np.float64 if self.is_double else np.float32
        forms = {tally.form() for tally in self.tallies}
        self.kept = [
            np.empty(rows * self.width, dtype),
            np.empty(rows * self.width if "values" in forms else 0, dtype),
            np.empty(rows if "index" in forms else 0, np.int64),
            np.empty(samples * self.given_width if "given" in forms else 0, dtype),
        ]
        self.predictions = self.char_pointer(self.kept[0])
        self.target_values = self.char_pointer(self.kept[1])
        self.target_classes = <int64_t*>self.char_pointer(self.kept[2])
        self.target_given = self.char_pointer(self.kept[3])

    @property
    def sees_whole(self) -> bool:
        """Whether the loss must be called once with a whole batch."""
        return self.couples_samples()

    cdef bint couples_samples(self) noexcept nogil:
        """Whether the loss must be called once with a whole batch."""
        return self.loss is not None and self.loss.couples_samples

    # Weights of rows and elements

    cdef bint sifts(self) noexcept nogil:
        """Whether some units may not count, because of a mask or because their targets are missing."""
        return self.mask >= 0 or self.selects

    cdef Py_ssize_t units(self, Py_ssize_t samples) noexcept nogil:
        """The number of values of some samples. Without weights, it is the sum of their weights."""
        return samples * self.positions * self.per_row

    cdef double divisor(self, Py_ssize_t samples, double total_weight) noexcept nogil:
        """The divisor of the sum of the weighted values of a batch. If it is 0, the loss is 0."""
        if self.reduction == MEAN_OVER_WEIGHTS:
            return total_weight
        return self.units(samples) if self.reduction == MEAN_OVER_ROWS else self.per_row

    cdef double row_divisor(self, double divisor) noexcept nogil:
        """The divisor for values of rows, for code outside of this head."""
        return divisor / self.per_row if divisor != 0 else 1

    cdef void weigh(self, const Batch* batch, const Target* target, Py_ssize_t offset) noexcept nogil:
        """Set the weights of these rows' units; 0 if a unit does not count."""
        cdef Py_ssize_t rows = batch.rows * self.positions, first = offset * self.positions, r, i, u
        cdef const void* mask = batch.buffers[self.mask].value if self.mask >= 0 else NULL
        cdef double shown
        for r in range(rows):
            self.mask_rows[first + r] = 1
            if mask != NULL:
                self.mask_rows[first + r] = (<const double*>mask)[r] if self.is_double else (<const float*>mask)[r]
        if self.selects:
            if target.classes != NULL:
                self.read_classes(rows, first, target.classes)
            if self.missing and target.values != NULL:
                if self.is_double:
                    self.read_values(
                        rows, first, <const double*>target.values, <double*>self.clean_values, target.classes == NULL
                    )
                else:
                    self.read_values(
                        rows, first, <const float*>target.values, <float*>self.clean_values, target.classes == NULL
                    )
        for i in range(rows * self.per_row):
            r, u = first + i // self.per_row, first * self.per_row + i
            shown = self.mask_rows[r]
            if self.selects and (self.present[u] == 0 or (self.ignores and self.labels[r] == self.ignored)):
                shown = 0
            self.shown[u] = shown
            self.counted[u] = shown * self.given_weight(target, i)

    cdef double given_weight(self, const Target* target, Py_ssize_t i) noexcept nogil:
        """The weight of unit i of these rows in the data."""
        if target.weights == NULL:
            return 1
        return target.weights[i // self.per_row if self.row_weights else i]

    cdef void read_classes(self, Py_ssize_t rows, Py_ssize_t first, const int64_t* classes) noexcept nogil:
        """Store class numbers, and which targets are present. Kernels get 0 in place of a number that is no class."""
        cdef Py_ssize_t r, j
        for r in range(rows):
            self.labels[first + r] = classes[r]
            self.clean_classes[first + r] = classes[r] if 0 <= classes[r] < self.width else 0
            for j in range(self.per_row):
                self.present[(first + r) * self.per_row + j] = not (self.missing and classes[r] == MISSING)

    cdef void read_values(
        self, Py_ssize_t rows, Py_ssize_t first, const floating* y, floating* clean, bint whole
    ) noexcept nogil:
        """Store which targets are present. Kernels get 0 in place of NaN."""
        cdef Py_ssize_t r, j, u
        clean += first * self.width
        for r in range(rows):
            u = (first + r) * self.per_row
            for j in range(self.width):
                clean[j] = y[j] if y[j] == y[j] else 0
                if self.by_element:
                    self.present[u + j] = y[j] == y[j]
                elif y[j] != y[j]:
                    self.present[u] = 0
                elif j == 0 and whole:
                    self.present[u] = 1
            clean += self.width
            y += self.width

    cdef bint is_sum(self) noexcept nogil:
        """Whether the values of a batch are summed and not averaged."""
        return self.reduction == SUM

    cdef double masked_divisor(self, Py_ssize_t begin, Py_ssize_t samples) noexcept nogil:
        """The divisor of the sum of the weighted values of some samples, when the weights of all their rows are set."""
        cdef const double* counts = self.shown if self.reduction == MEAN_OVER_ROWS else self.counted
        if self.reduction == SUM:
            return self.per_row
        return sum_of(self.units(samples), counts + self.units(begin), NULL)

    # A batch

    cdef void run(
        self, const Batch* batch, const Target* target, Py_ssize_t offset, double divisor, bint with_delta
    ) noexcept nogil:
        """Compute the values of the loss and of metrics and, if wanted, the prediction's delta.

        The delta is d (loss_weight batch_loss) / d prediction, where batch_loss = sum of w_u value_u / divisor over
        the units u.
        """
        cdef Py_ssize_t rows = batch.rows * self.positions, first = offset * self.positions, i, u
        cdef Py_ssize_t units = rows * self.per_row, first_unit = first * self.per_row
        cdef double* coefficients = self.coefficients + first_unit
        cdef void* prediction = batch.buffers[self.output].value
        cdef void* delta = batch.buffers[self.output].delta if with_delta else NULL
        cdef double scale = self.loss_weight / divisor if divisor != 0 else 0
        cdef const double* weights = NULL
        if target.weights != NULL:
            weights = self.weights + first_unit
            for u in range(units):
                self.weights[first_unit + u] = target.weights[u // self.per_row if self.row_weights else u]
        if self.sifts():
            weights = self.counted + first_unit
        if self.loss is not None:
            for u in range(units):
                coefficients[u] = scale if weights == NULL else scale * weights[u]
            self.loss.evaluate_with(
                units, self.width // self.per_row, self.targets_of(self.loss, target, first), prediction,
                coefficients, self.values + first_unit, delta, self.scratch + offset * self.scratch_doubles,
            )
            if self.selects:
                self.clear(first_unit, units, delta)
        for i in range(self.n_metrics):
            self.run_metric(<MetricSum>self.metric_pointers[i], target, first, rows, prediction)
        if self.n_tallies:
            self.keep(first, rows, target, prediction)

    cdef void run_metric(
        self, MetricSum metric, const Target* target, Py_ssize_t first, Py_ssize_t rows, void* prediction
    ) noexcept nogil:
        """Compute a metric's values of some rows, or of their elements if these are the units and the metric can."""
        cdef Py_ssize_t per_row = self.per_row if metric.function.elementwise else 1
        metric.function.evaluate_with(
            rows * per_row, self.width // per_row, self.targets_of(metric.function, target, first), prediction,
            NULL, metric.values + first * per_row, NULL,
            self.scratch + first // max(self.positions, 1) * self.scratch_doubles,
        )

    cdef const void* targets_of(
        self, RowFunction function, const Target* target, Py_ssize_t first
    ) noexcept nogil:
        """The targets that a kernel reads. Missing ones are replaced by valid numbers."""
        cdef Py_ssize_t itemsize = 8 if self.is_double else 4
        if function.given_targets:
            return target.given
        if function.index_targets:
            return target.classes if function.any_labels or not self.selects else self.clean_classes + first
        return self.clean_values + first * self.width * itemsize if self.missing else target.values

    cdef void clear(self, Py_ssize_t first, Py_ssize_t units, void* delta) noexcept nogil:
        """Set the values and deltas of units that do not count to 0."""
        cdef Py_ssize_t unit_bytes = (8 if self.is_double else 4) * (self.width // self.per_row), u
        for u in range(units):
            if self.shown[first + u] == 0:
                self.values[first + u] = 0
                if delta != NULL:
                    memset(<char*>delta + u * unit_bytes, 0, unit_bytes)

    cdef void keep(
        self, Py_ssize_t first, Py_ssize_t rows, const Target* target, const void* prediction
    ) noexcept nogil:
        """Copy the predictions and targets of some rows to the memory of the whole batch."""
        cdef Py_ssize_t itemsize = 8 if self.is_double else 4
        cdef Py_ssize_t row_bytes = self.width * itemsize, given_bytes = self.given_width * itemsize
        memcpy(self.predictions + first * row_bytes, prediction, rows * row_bytes)
        if self.target_values != NULL:
            memcpy(self.target_values + first * row_bytes, target.values, rows * row_bytes)
        if self.target_classes != NULL:
            memcpy(self.target_classes + first, target.classes, rows * sizeof(int64_t))
        if self.target_given != NULL:
            memcpy(
                self.target_given + first // self.positions * given_bytes, target.given,
                rows // self.positions * given_bytes,
            )

    cdef double add_up(self, Py_ssize_t samples, bint weighted, double divisor) noexcept nogil:
        """Return the loss of a batch, and add it to the metrics: total += sum of w_r value_r, count += sum of w_r."""
        cdef Py_ssize_t rows = samples * self.positions, i
        cdef double* weights = self.weights if weighted else NULL
        for i in range(self.n_metrics):
            self.add_metric(<MetricSum>self.metric_pointers[i], rows, weighted)
        for i in range(self.n_tallies):
            self.add_tally(<Tally>self.tally_pointers[i], rows, weighted)
        if self.loss is None or divisor == 0:
            return 0
        return sum_of(rows * self.per_row, self.values, self.counted if self.sifts() else weights) / divisor

    cdef void add_metric(self, MetricSum metric, Py_ssize_t rows, bint weighted) noexcept nogil:
        cdef Py_ssize_t per_row = self.per_row if metric.function.elementwise else 1, i
        cdef double total = 0, count = 0, weight
        cdef bint ignored
        weighted = weighted and metric.weighted
        if not (self.by_element or self.selects or (metric.masked and self.mask >= 0)):
            metric.total += sum_of(rows, metric.values, self.weights if weighted else NULL)
            metric.count += sum_of(rows, self.weights, NULL) if weighted else rows
            return
        for i in range(rows * per_row):
            ignored = metric.function.ignores and self.labels[i] == metric.function.ignored
            if ignored and weighted:
                continue
            weight = self.weight_of(i, per_row, metric.masked, weighted) * self.is_present(i, per_row)
            if weight != 0:
                total += 0 if ignored else weight * metric.values[i]
                count += weight
        metric.total += total / per_row
        metric.count += count / per_row

    cdef double weight_of(self, Py_ssize_t i, Py_ssize_t per_row, bint masked, bint weighted) noexcept nogil:
        """The weight of row i or, with more than one unit per row, of element i."""
        cdef Py_ssize_t row = i // per_row, j
        cdef double weight = 1
        if weighted and per_row == self.per_row:
            weight = self.weights[i]
        elif weighted:      # the weight of a row is the mean of its elements' weights
            weight = 0
            for j in range(self.per_row):
                weight += self.weights[row * self.per_row + j] / self.per_row
        return weight * self.mask_rows[row] if masked and self.mask >= 0 else weight

    cdef bint is_present(self, Py_ssize_t i, Py_ssize_t per_row) noexcept nogil:
        """Whether an element, or every element of a row, has a target."""
        cdef Py_ssize_t j
        if not self.missing:
            return True
        if per_row == self.per_row:
            return self.present[i] != 0
        for j in range(self.per_row):
            if self.present[i * self.per_row + j] == 0:
                return False
        return True

    cdef void add_tally(self, Tally tally, Py_ssize_t rows, bint weighted) noexcept nogil:
        cdef bint masked = tally.masked and self.mask >= 0
        cdef Py_ssize_t per_row = self.per_row if tally.elementwise else 1, i
        cdef const void* targets = self.target_values
        weighted = weighted and tally.weighted
        if tally.given_targets:
            targets = self.target_given
        elif tally.index_targets:
            targets = self.target_classes
        if weighted or masked:
            for i in range(rows * per_row):
                self.tally_weights[i] = self.weight_of(i, per_row, tally.masked, weighted)
        tally.update(rows, targets, self.predictions, self.tally_weights if weighted or masked else NULL, per_row > 1)
