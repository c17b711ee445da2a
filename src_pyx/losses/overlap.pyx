"""Losses of how well prediction and target overlap, along any axes of a batch: Dice, Tversky, cosine similarity.

A group is all elements that have one value in common. What they add up to is known from five sums, and the derivative
is linear in target and prediction. A row gets the mean of the groups of its sample, so that the mean over rows is that
over groups; if rows are summed, it gets its share of their sum.
"""

import numpy as np

from cython cimport floating

from cbackprop.compiled.kernels.elementary cimport sqrt
from cbackprop.compiled.kernels.epsilon cimport EPSILON
from cbackprop.compiled.losses.row_function cimport RowFunction
from cbackprop.contract.kernel_check import checked_layout


cdef struct Sums:
    double both             # of y p
    double y
    double p
    double y_squared
    double p_squared


cdef struct Slope:
    # d value / dp = of_y y + of_p p + constant
    double of_y
    double of_p
    double constant


cdef class GroupFunction(RowFunction):
    """Subclasses override `measure`.

    Groups are those of a sample (or of a row, if only the last axis is reduced), or of the whole batch.
    """

    cdef object spec
    cdef Py_ssize_t groups, size        # of a sample, and elements of each there
    cdef Py_ssize_t[::1] offsets        # (groups * size,): where these elements are in a sample
    cdef bint summed                    # the reduction is a sum

    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.spec = spec
        self.summed = spec.reduction == "sum"

    def set_shape(self, tuple shape):
        """What one sample of the prediction looks like."""
        shape, axes = checked_layout(self.spec, shape)
        kept = [axis for axis in range(len(shape)) if axis not in axes]
        places = np.arange(np.prod(shape, dtype=np.intp), dtype=np.intp).reshape(shape)
        self.size = int(np.prod([shape[axis] for axis in axes], dtype=np.intp))
        self.groups = places.size // self.size
        self.offsets = np.ascontiguousarray(places.transpose(*kept, *axes)).reshape(-1)

    def group_values(self, floating[:, ::1] y_true, floating[:, ::1] y_pred):
        """The value of each group of each sample, (samples, groups), or (1, groups) of a batch as a whole."""
        cdef Py_ssize_t samples = y_pred.shape[0], block = samples if self.couples_samples else 1, s, g
        cdef Slope slope
        if (
            y_true.shape[0] != samples or y_true.shape[1] != y_pred.shape[1] or not samples
            or y_pred.shape[1] != self.groups * self.size or self.is_double != (sizeof(floating) == sizeof(double))
        ):
            raise ValueError("y_true or y_pred does not fit.")
        result = np.empty((samples // block, self.groups))
        cdef double[:, ::1] values = result
        for s in range(samples // block):
            for g in range(self.groups):
                values[s, g] = self.value_of(block, g, &y_true[s, 0], &y_pred[s, 0], &slope)
        return result

    cdef double measure(self, const Sums* sums, Slope* slope) noexcept nogil:
        return 0

    cdef void evaluate(
        self, Py_ssize_t rows, Py_ssize_t width, const void* y_true, void* y_pred,
        const double* coefficients, double* values, void* delta,
    ) noexcept nogil:
        if self.is_double:
            self.run(rows, width, <const double*>y_true, <const double*>y_pred, coefficients, values, <double*>delta)
        else:
            self.run(rows, width, <const float*>y_true, <const float*>y_pred, coefficients, values, <float*>delta)

    cdef void run(
        self, Py_ssize_t rows, Py_ssize_t width, const floating* y_true, const floating* y_pred,
        const double* coefficients, double* values, floating* delta,
    ) noexcept nogil:
        cdef Py_ssize_t sample = self.groups * self.size, positions = sample // width if width else 0
        cdef Py_ssize_t block, block_rows, _b, g, r
        cdef double total, factor, share
        cdef Slope slope
        if positions == 0 or rows % positions:
            for r in range(rows):
                values[r] = 0
            return
        block_rows = rows if self.couples_samples else positions
        block = block_rows // positions
        share = 1.0 / (block_rows if self.summed else self.groups)
        for _b in range(rows // block_rows):
            factor = total = 0
            if delta != NULL:
                for r in range(block_rows):
                    factor += coefficients[r]
                coefficients += block_rows
            for g in range(self.groups):
                total += self.value_of(block, g, y_true, y_pred, &slope)
                if delta != NULL:
                    self.write_delta(block, g, y_true, y_pred, &slope, factor * share, delta)
            for r in range(block_rows):
                values[r] = total * share
            values += block_rows
            y_true += block * sample
            y_pred += block * sample
            if delta != NULL:
                delta += block * sample

    cdef double value_of(
        self, Py_ssize_t samples, Py_ssize_t group, const floating* y_true, const floating* y_pred, Slope* slope
    ) noexcept nogil:
        """The value of a group of so many samples."""
        cdef const Py_ssize_t* offsets = &self.offsets[group * self.size]
        cdef Py_ssize_t sample = self.groups * self.size, s, k
        cdef double y, p
        cdef Sums sums
        sums.both = sums.y = sums.p = sums.y_squared = sums.p_squared = 0
        for s in range(samples):
            for k in range(self.size):
                y = y_true[s * sample + offsets[k]]
                p = y_pred[s * sample + offsets[k]]
                sums.both += y * p
                sums.y += y
                sums.p += p
                sums.y_squared += y * y
                sums.p_squared += p * p
        return self.measure(&sums, slope)

    cdef void write_delta(
        self, Py_ssize_t samples, Py_ssize_t group, const floating* y_true, const floating* y_pred,
        const Slope* slope, double factor, floating* delta,
    ) noexcept nogil:
        cdef const Py_ssize_t* offsets = &self.offsets[group * self.size]
        cdef Py_ssize_t sample = self.groups * self.size, s, k, i
        for s in range(samples):
            for k in range(self.size):
                i = s * sample + offsets[k]
                delta[i] = <floating>(
                    factor * (slope.of_y * y_true[i] + slope.of_p * y_pred[i] + slope.constant)
                )


cdef class Tversky(GroupFunction):
    """value = 1 - t / (t + alpha f + beta g + epsilon), t = sum of y p, f = sum of y (1 - p), g = sum of (1 - y) p."""

    cdef double alpha
    cdef double beta

    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.alpha = spec.alpha
        self.beta = spec.beta

    cdef double measure(self, const Sums* sums, Slope* slope) noexcept nogil:
        cdef double a = 1 - self.alpha - self.beta
        cdef double whole = a * sums.both + self.alpha * sums.y + self.beta * sums.p + EPSILON
        cdef double ratio = sums.both / whole
        slope.of_y = (ratio * a - 1) / whole
        slope.of_p = 0
        slope.constant = ratio * self.beta / whole
        return 1 - ratio


cdef class Dice(GroupFunction):
    """value = 1 - 2 sum of y p / (sum y + sum p + epsilon)."""

    cdef double measure(self, const Sums* sums, Slope* slope) noexcept nogil:
        cdef double whole = sums.y + sums.p + EPSILON
        cdef double ratio = 2 * sums.both / whole
        slope.of_y = -2 / whole
        slope.of_p = 0
        slope.constant = ratio / whole
        return 1 - ratio


cdef class CosineSimilarity(GroupFunction):
    """value = -sum of y p / (|y| |p|), lengths no less than epsilon."""

    cdef double measure(self, const Sums* sums, Slope* slope) noexcept nogil:
        cdef double length = sqrt(sums.p_squared)
        cdef double lengths = max(sqrt(sums.y_squared), EPSILON) * max(length, EPSILON)
        cdef double cosine = sums.both / lengths
        slope.of_y = -1 / lengths
        slope.of_p = cosine / sums.p_squared if length > EPSILON else 0
        slope.constant = 0
        return -cosine
