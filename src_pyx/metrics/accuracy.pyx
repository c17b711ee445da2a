"""Accuracies: 1 for what was predicted right, 0 for what was not."""

from cython cimport floating
from libc.stdint cimport int64_t

from cbackprop.compiled.losses.row_function cimport KernelFunction, RowFunction


cdef inline Py_ssize_t argmax(Py_ssize_t width, const floating* x) noexcept nogil:
    """The first position of the largest element."""
    cdef Py_ssize_t j, best = 0
    for j in range(1, width):
        if x[j] > x[best]:
            best = j
    return best


cdef void accuracy(
    Py_ssize_t rows, Py_ssize_t width, const floating* y_true, const floating* y_pred, double parameter,
    const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = mean of [y_pred = y_true]."""
    cdef Py_ssize_t r, j, right
    for r in range(rows):
        right = 0
        for j in range(width):
            right += y_pred[j] == y_true[j]
        values[r] = <double>right / width
        y_true += width
        y_pred += width


cdef void binary_accuracy(
    Py_ssize_t rows, Py_ssize_t width, const floating* y_true, const floating* y_pred, double parameter,
    const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = mean of [[y_pred > parameter] = y_true]."""
    cdef Py_ssize_t r, j, right
    cdef floating threshold = <floating>parameter
    for r in range(rows):
        right = 0
        for j in range(width):
            right += (y_pred[j] > threshold) == y_true[j]
        values[r] = <double>right / width
        y_true += width
        y_pred += width


cdef void categorical_accuracy(
    Py_ssize_t rows, Py_ssize_t width, const floating* y_true, const floating* y_pred, double parameter,
    const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = [argmax y_pred = argmax y_true]."""
    cdef Py_ssize_t r
    for r in range(rows):
        values[r] = argmax(width, y_pred + r * width) == argmax(width, y_true + r * width)


cdef void sparse_categorical_accuracy(
    Py_ssize_t rows, Py_ssize_t width, const int64_t* y_true, const floating* y_pred, double* values
) noexcept nogil:
    """value = [argmax y_pred = y_true]."""
    cdef Py_ssize_t r
    for r in range(rows):
        values[r] = argmax(width, y_pred + r * width) == y_true[r]


cdef inline bint in_top_k(Py_ssize_t width, const floating* y_pred, Py_ssize_t label, Py_ssize_t k) noexcept nogil:
    """Whether fewer than k predictions are larger than the label's."""
    cdef Py_ssize_t j, larger = 0
    for j in range(width):
        larger += y_pred[j] > y_pred[label]
    return larger < k


cdef void top_k_categorical_accuracy(
    Py_ssize_t rows, Py_ssize_t width, const floating* y_true, const floating* y_pred, double parameter,
    const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = [y_pred at argmax y_true is among the `parameter` largest]."""
    cdef Py_ssize_t r
    for r in range(rows):
        values[r] = in_top_k(width, y_pred + r * width, argmax(width, y_true + r * width), <Py_ssize_t>parameter)


cdef void sparse_top_k_categorical_accuracy(
    Py_ssize_t rows, Py_ssize_t width, const int64_t* y_true, const floating* y_pred, Py_ssize_t k, bint sorted_ids,
    double* values,
) noexcept nogil:
    """value = [y_pred at y_true is among the k largest], or [y_true is one of the first k of y_pred]."""
    cdef Py_ssize_t r, j
    for r in range(rows):
        if sorted_ids:
            values[r] = 0
            for j in range(min(k, width)):
                if y_pred[r * width + j] == y_true[r]:
                    values[r] = 1
        else:
            values[r] = 0 <= y_true[r] < width and in_top_k(width, y_pred + r * width, y_true[r], k)


cdef class Accuracy(KernelFunction):
    each_element = True

    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.kernel32, self.kernel64 = accuracy[float], accuracy[double]


cdef class BinaryAccuracy(KernelFunction):
    each_element = True

    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.kernel32, self.kernel64 = binary_accuracy[float], binary_accuracy[double]
        self.parameter = spec.threshold


cdef class CategoricalAccuracy(KernelFunction):
    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.kernel32, self.kernel64 = categorical_accuracy[float], categorical_accuracy[double]


cdef class SparseCategoricalAccuracy(RowFunction):
    reads = "index"
    takes_any_label = True

    cdef void evaluate(
        self, Py_ssize_t rows, Py_ssize_t width, const void* y_true, void* y_pred,
        const double* coefficients, double* values, void* delta,
    ) noexcept nogil:
        if self.is_double:
            sparse_categorical_accuracy(rows, width, <const int64_t*>y_true, <const double*>y_pred, values)
        else:
            sparse_categorical_accuracy(rows, width, <const int64_t*>y_true, <const float*>y_pred, values)


cdef class TopKCategoricalAccuracy(KernelFunction):
    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.kernel32, self.kernel64 = top_k_categorical_accuracy[float], top_k_categorical_accuracy[double]
        self.parameter = spec.k


cdef class SparseTopKCategoricalAccuracy(RowFunction):
    cdef Py_ssize_t k
    cdef bint sorted_ids

    reads = "index"
    takes_any_label = True

    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.k = spec.k
        self.sorted_ids = spec.from_sorted_ids

    cdef void evaluate(
        self, Py_ssize_t rows, Py_ssize_t width, const void* y_true, void* y_pred,
        const double* coefficients, double* values, void* delta,
    ) noexcept nogil:
        if self.is_double:
            sparse_top_k_categorical_accuracy(
                rows, width, <const int64_t*>y_true, <const double*>y_pred, self.k, self.sorted_ids, values
            )
        else:
            sparse_top_k_categorical_accuracy(
                rows, width, <const int64_t*>y_true, <const float*>y_pred, self.k, self.sorted_ids, values
            )
