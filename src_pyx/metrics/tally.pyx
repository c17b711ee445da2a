"""Metrics that sum up more than one value a row, and metrics in Python: they see a batch as a whole, in one thread.

So their sums do not depend on how a batch was divided.
"""

import numpy as np

from cython cimport floating
from libc.math cimport ceil, ceilf, trunc
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from cbackprop.compiled.engine.failure cimport fail
from cbackprop.compiled.kernels.elementary cimport fabs, sigmoid
from cbackprop.contract.kernel_check import check_kernel, check_sums


cdef class Tally:
    """Sums that batches are added to.

    Subclasses read what they need from `spec` and override `update`.

    Parameters
    ----------
    spec : cbackprop.metrics.Metric
        What the user wrote.
    width : int
        Elements of a row of the predictions.
    is_double : bool
    weighted : bool
        Whether weights of samples count.

    Attributes
    ----------
    reads : str or tuple of str
        The forms of targets that the kernel reads, as in `target_kind` of the spec.
    """

    reads = "values"

    def __init__(self, spec, Py_ssize_t width, bint is_double, bint weighted):
        check_kernel(self, spec)
        self.is_double = is_double
        self.weighted = weighted
        self.width = width
        self.index_targets = spec.target_kind == "index"
        self.elementwise = True

    cdef set_sums(self, spec, Py_ssize_t size):
        """Make room for the sums, as many as the kernel writes to; the spec must know of as many."""
        check_sums(self, spec, self.width, size)
        self.set_size(size)

    def set_given_shape(self, tuple shape):
        """What the targets of one sample look like, for metrics that read them as they were given."""

    def form(self):
        """The form of targets that is read: "values", "index" or "given"."""
        return "given" if self.given_targets else "index" if self.index_targets else "values"

    cdef set_size(self, Py_ssize_t size):
        self.memory = np.zeros(max(size, 1))
        self.sums = &self.memory[0]

    def reset(self):
        """Forget all batches."""
        self.memory[:] = 0

    def snapshot(self):
        """A copy of the sums."""
        return np.array(self.memory)

    def restore(self, const double[::1] state):
        """Go on from these sums."""
        if state.shape[0] != self.memory.shape[0]:
            raise ValueError(f"Expected {self.memory.shape[0]} sums, but got {state.shape[0]}.")
        self.memory[:] = state

    cdef void update(
        self, Py_ssize_t rows, const void* y_true, const void* y_pred, const double* weights, bint each
    ) noexcept nogil:
        pass

    def add(self, floating[:, ::1] y_true, floating[:, ::1] y_pred, const double[::1] weights=None):
        """Add rows with targets shaped like the predictions."""
        if y_true.shape[0] != y_pred.shape[0] or y_true.shape[1] != y_pred.shape[1] or self.index_targets:
            raise ValueError("y_true does not fit y_pred.")
        self._add(y_pred, &y_true[0, 0] if y_true.shape[0] and y_true.shape[1] else NULL, weights)

    def add_classes(self, const int64_t[::1] y_true, floating[:, ::1] y_pred, const double[::1] weights=None):
        """Add rows with targets that are class numbers."""
        if y_true.shape[0] != y_pred.shape[0] or not self.index_targets:
            raise ValueError("y_true does not fit y_pred.")
        self._add(y_pred, &y_true[0] if y_true.shape[0] else NULL, weights)

    cdef _add(self, floating[:, ::1] y_pred, const void* y_true, const double[::1] weights):
        cdef Py_ssize_t rows = y_pred.shape[0]
        cdef const double* w = NULL
        if self.is_double != (sizeof(floating) == sizeof(double)) or y_pred.shape[1] != self.width:
            raise ValueError("y_pred is of another float type or width.")
        if not rows:
            return
        if weights is not None:
            if weights.shape[0] != rows and weights.shape[0] != rows * self.width:
                raise ValueError("The weights do not fit y_pred.")
            w = &weights[0]
        self.update(rows, y_true, &y_pred[0, 0], w, weights is not None and weights.shape[0] != rows)


cdef inline double weight_of(const double* weights, Py_ssize_t row, Py_ssize_t i, bint each) noexcept nogil:
    """The weight of element i of all, which is in this row."""
    return 1 if weights == NULL else weights[i if each else row]


# Predictions between thresholds


cdef class Histogram(Tally):
    """Weight of positives and negatives whose predictions lie between neighbouring thresholds.

    sums (labels, 2, thresholds + 1): for each label of a multi-label metric, else for all of them together, negatives
    and positives, by how many thresholds the prediction is above.
    """

    cdef double[::1] threshold_memory, weight_memory        # what these point into: kept alive here
    cdef const double* thresholds       # (n,), in rising order
    cdef const double* label_weights    # (width,), or NULL: all 1
    cdef bint even, open_ends, from_logits, multi_label
    cdef Py_ssize_t n, first, last, top_k

    def __init__(self, spec, Py_ssize_t width, bint is_double, bint weighted):
        super().__init__(spec, width, is_double, weighted)
        # Compared in the type of the predictions, as they are rounded too
        ordered = np.sort(np.asarray(spec.thresholds, np.float64 if is_double else np.float32))
        self.threshold_memory = ordered.astype(np.float64)
        self.thresholds = &self.threshold_memory[0]
        self.n = self.threshold_memory.shape[0]
        self.even = spec.is_even
        self.open_ends = spec.open_ends
        self.from_logits = spec.from_logits
        self.multi_label = spec.multi_label
        self.top_k = spec.top_k or 0
        self.first, self.last = 0, width
        if spec.class_id is not None:
            self.first, self.last = spec.class_id, spec.class_id + 1
        if self.last > width or self.top_k > width or self.first < 0:
            raise ValueError("The rows are too short.")
        if spec.column_weights is not None:
            self.weight_memory = np.array(spec.column_weights, np.float64)
            if self.weight_memory.shape[0] != width:
                raise ValueError("There is not one weight for each label.")
            self.label_weights = &self.weight_memory[0]
        self.set_sums(spec, (width if self.multi_label else 1) * 2 * (self.n + 1))

    cdef void update(
        self, Py_ssize_t rows, const void* y_true, const void* y_pred, const double* weights, bint each
    ) noexcept nogil:
        if self.is_double:
            self.count(rows, <const double*>y_true, <const double*>y_pred, weights, each)
        else:
            self.count(rows, <const float*>y_true, <const float*>y_pred, weights, each)

    cdef void count(
        self, Py_ssize_t rows, const floating* y_true, const floating* y_pred, const double* weights, bint each
    ) noexcept nogil:
        cdef Py_ssize_t r, j, i, slot, last
        cdef double weight
        for r in range(rows):
            last = self.last_of_top(y_pred + r * self.width) if self.top_k else 0
            for j in range(self.first, self.last):
                i = r * self.width + j
                if y_true[i] != y_true[i]:      # missing
                    continue
                weight = weight_of(weights, r, i, each)
                if self.label_weights != NULL:
                    weight *= self.label_weights[j]
                slot = 2 * j if self.multi_label else 0
                slot = (slot + (y_true[i] != 0)) * (self.n + 1)
                if not self.top_k or not precedes(y_pred + r * self.width, last, j):
                    slot += self.above(y_pred[i])
                self.sums[slot] += weight

    cdef Py_ssize_t last_of_top(self, const floating* row) noexcept nogil:
        """Where the k-th largest element is; of equal ones the first is the larger."""
        cdef Py_ssize_t last = -1, best, j, _
        for _ in range(self.top_k):
            best = -1
            for j in range(self.width):
                if (last < 0 or precedes(row, last, j)) and (best < 0 or row[j] > row[best]):
                    best = j
            if best < 0:        # NaN is nowhere in the order
                return last
            last = best
        return last

    cdef Py_ssize_t above(self, floating y) noexcept nogil:
        """How many thresholds a prediction is above."""
        cdef Py_ssize_t low = 0, high = self.n, middle
        if self.from_logits:
            y = sigmoid(y)
        if y != y:
            return 0
        if self.even:
            y = min(max(y, <floating>0), <floating>1) * <floating>(self.n - 1)
            low = <Py_ssize_t>(ceilf(y) if floating is float else ceil(y))
            return max(low, <Py_ssize_t>1) if self.open_ends else low
        while low < high:
            middle = (low + high) // 2
            if y > self.thresholds[middle]:
                low = middle + 1
            else:
                high = middle
        return low


cdef inline bint precedes(const floating* row, Py_ssize_t i, Py_ssize_t j) noexcept nogil:
    """Whether element i is in front of element j in falling order."""
    return row[j] < row[i] or (row[j] == row[i] and i < j)


# Hits and misses of each class


cdef class Hits(Tally):
    """Weights of true positives, false positives, false negatives and positives of each class.

    sums (4, width). The predicted classes are those above the threshold, or without one the largest.
    """

    cdef double threshold
    cdef bint largest

    def __init__(self, spec, Py_ssize_t width, bint is_double, bint weighted):
        super().__init__(spec, width, is_double, weighted)
        self.largest = spec.threshold is None
        self.threshold = spec.threshold or 0
        self.set_sums(spec, 4 * width)

    cdef void update(
        self, Py_ssize_t rows, const void* y_true, const void* y_pred, const double* weights, bint each
    ) noexcept nogil:
        if self.is_double:
            self.count(rows, <const double*>y_true, <const double*>y_pred, weights, each)
        else:
            self.count(rows, <const float*>y_true, <const float*>y_pred, weights, each)

    cdef void count(
        self, Py_ssize_t rows, const floating* y_true, const floating* y_pred, const double* weights, bint each
    ) noexcept nogil:
        cdef Py_ssize_t r, j, n = self.width
        cdef floating limit = <floating>self.threshold
        cdef double truth, weight
        cdef bint hit
        for r in range(rows):
            if self.largest:
                limit = y_pred[0]
                for j in range(1, n):
                    if y_pred[j] > limit or y_pred[j] != y_pred[j]:     # a row with NaN has no hits
                        limit = y_pred[j]
            for j in range(n):
                weight = weight_of(weights, r, r * n + j, each)
                truth = y_true[j]
                if truth != truth:      # missing
                    continue
                hit = y_pred[j] >= limit and fabs(y_pred[j]) > <floating>1e-9 if self.largest else y_pred[j] > limit
                if hit:
                    self.sums[j] += weight * truth
                    self.sums[n + j] += weight * (1 - truth)
                else:
                    self.sums[2 * n + j] += weight * truth
                self.sums[3 * n + j] += weight * truth
            y_true += n
            y_pred += n


# Which class was taken for which


cdef class Confusion(Tally):
    """Weight of what is of class t and was predicted as class p.

    sums (classes, classes). Classes are given as numbers, or as rows whose largest element is at the class.
    """

    cdef Py_ssize_t classes
    cdef int64_t ignored
    cdef bint ignores, numbers_pred, cut, whole_weights
    cdef double threshold

    reads = ("values", "index")

    def __init__(self, spec, Py_ssize_t width, bint is_double, bint weighted):
        super().__init__(spec, width, is_double, weighted)
        self.classes = spec.num_classes
        self.ignores = spec.ignore_class is not None
        self.ignored = spec.ignore_class or 0
        self.numbers_pred = self.elementwise = spec.sparse_y_pred
        self.whole_weights = spec.whole_weights
        self.cut = spec.cut is not None
        self.threshold = spec.cut or 0
        self.set_sums(spec, self.classes * self.classes)

    cdef void update(
        self, Py_ssize_t rows, const void* y_true, const void* y_pred, const double* weights, bint each
    ) noexcept nogil:
        if self.is_double:
            self.count(rows, <const int64_t*>y_true, <const double*>y_true, <const double*>y_pred, weights, each)
        else:
            self.count(rows, <const int64_t*>y_true, <const float*>y_true, <const float*>y_pred, weights, each)

    cdef void count(
        self, Py_ssize_t rows, const int64_t* classes, const floating* y_true, const floating* y_pred,
        const double* weights, bint each,
    ) noexcept nogil:
        cdef Py_ssize_t r, j, n = self.width
        cdef int64_t truth
        for r in range(rows):
            if self.numbers_pred:
                for j in range(n):
                    self.add_one(
                        number(y_true[j]), self.number_of(y_pred[j]), weight_of(weights, r, r * n + j, each)
                    )
            else:
                truth = classes[r] if self.index_targets else label_of(n, y_true)
                self.add_one(truth, largest(n, y_pred), weight_of(weights, r, r * n, each))
            if not self.index_targets:
                y_true += n
            y_pred += n

    cdef int64_t number_of(self, floating y) noexcept nogil:
        """The class that a prediction stands for."""
        if self.cut:
            return y >= <floating>self.threshold
        return number(y)

    cdef void add_one(self, int64_t truth, int64_t guess, double weight) noexcept nogil:
        """What is outside of the classes counts nowhere."""
        if self.ignores and truth == self.ignored:
            return
        if 0 <= truth < self.classes and 0 <= guess < self.classes:
            self.sums[truth * self.classes + guess] += trunc(weight) if self.whole_weights else weight


cdef inline int64_t number(floating y) noexcept nogil:
    """y without its fraction, where that is an int64."""
    return <int64_t>y if fabs(y) < <floating>9e18 else -1


cdef inline Py_ssize_t largest(Py_ssize_t width, const floating* x) noexcept nogil:
    """The first position of the largest element."""
    cdef Py_ssize_t j, best = 0
    for j in range(1, width):
        if x[j] > x[best]:
            best = j
    return best


cdef inline int64_t label_of(Py_ssize_t width, const floating* y) noexcept nogil:
    """The first position of the largest element; -1 if one is missing."""
    cdef Py_ssize_t j
    for j in range(width):
        if y[j] != y[j]:
            return -1
    return largest(width, y)


# Moments


cdef class Moments(Tally):
    """Weighted sums of y, y^2 and (y - prediction)^2, and of the weights, for each column; and the number of elements.

    sums (4 width + 1).
    """

    def __init__(self, spec, Py_ssize_t width, bint is_double, bint weighted):
        super().__init__(spec, width, is_double, weighted)
        self.set_sums(spec, 4 * width + 1)

    cdef void update(
        self, Py_ssize_t rows, const void* y_true, const void* y_pred, const double* weights, bint each
    ) noexcept nogil:
        if self.is_double:
            self.count(rows, <const double*>y_true, <const double*>y_pred, weights, each)
        else:
            self.count(rows, <const float*>y_true, <const float*>y_pred, weights, each)

    cdef void count(
        self, Py_ssize_t rows, const floating* y_true, const floating* y_pred, const double* weights, bint each
    ) noexcept nogil:
        cdef Py_ssize_t r, j, n = self.width
        cdef double y, error, weight
        for r in range(rows):
            for j in range(n):
                y = y_true[j]
                if y != y:      # missing
                    continue
                error = y - y_pred[j]
                weight = weight_of(weights, r, r * n + j, each)
                self.sums[j] += weight * y
                self.sums[n + j] += weight * y * y
                self.sums[2 * n + j] += weight * error * error
                self.sums[3 * n + j] += weight
                self.sums[4 * n] += 1
            y_true += n
            y_pred += n


# Metrics in Python


cdef class Called(Tally):
    """Calls `update_state` of a metric once a batch, with copies of targets, predictions and weights.

    Parameters
    ----------
    metric : cbackprop.metrics.Metric
    shape : tuple of int
        Of one sample of the prediction.
    kind : {"values", "index", "given"}
        The form of targets that it is called with.
    is_double, weighted : bool
    """

    cdef object metric
    cdef tuple shape, given_shape

    def __init__(self, metric, tuple shape, str kind, bint is_double, bint weighted):
        self.metric = metric
        self.masked = metric.takes_mask
        self.shape = shape
        self.index_targets, self.given_targets = kind == "index", kind == "given"
        self.elementwise = True
        self.is_double = is_double
        self.weighted = weighted
        self.in_python = True
        self.width = shape[-1] if shape else 1
        self.set_size(0)

    def set_given_shape(self, tuple shape):
        """What the targets of one sample look like."""
        self.given_shape = shape

    def reset(self):
        """Forget all batches."""
        self.metric.reset_state()

    def snapshot(self):
        """A copy of the metric's state."""
        return self.metric.snapshot()

    def restore(self, state):
        """Go on from a snapshot."""
        self.metric.restore(state)

    cdef void update(
        self, Py_ssize_t rows, const void* y_true, const void* y_pred, const double* weights, bint each
    ) noexcept nogil:
        with gil:
            try:
                self.call(rows, y_true, y_pred, weights, each)
            except BaseException as error:
                fail(self.failure, error)

    cdef call(self, Py_ssize_t rows, const void* y_true, const void* y_pred, const double* weights, bint each):
        dtype = np.float64 if self.is_double else np.float32
        shape = (-1, *self.shape)
        predictions = copy_of(y_pred, rows * self.width, dtype).reshape(shape)
        if self.given_targets:
            size = len(predictions) * int(np.prod(self.given_shape, dtype=np.intp))
            targets = copy_of(y_true, size, dtype).reshape(-1, *self.given_shape)
        elif self.index_targets:
            targets = copy_of(y_true, rows, np.int64).reshape(shape[:-1])
        else:
            targets = copy_of(y_true, rows * self.width, dtype).reshape(shape)
        if weights == NULL:
            self.metric.update_state(targets, predictions)
        else:
            given = copy_of(weights, rows * self.width if each else rows, np.float64)
            given = given.reshape(shape if each or len(shape) == 1 else shape[:-1])
            self.metric.update_state(targets, predictions, sample_weight=given)


cdef copy_of(const void* data, Py_ssize_t size, dtype):
    """An array of its own."""
    cdef unsigned char[::1] view
    array = np.empty(size, dtype)
    if size:
        view = array.view(np.uint8)
        memcpy(&view[0], data, view.shape[0])
    return array
