"""Losses of classifiers with a margin, whose labels are -1 and 1. A label 0 counts as -1."""

from cython cimport floating

from cbackprop.compiled.losses.row_function cimport KernelFunction


cdef inline floating sign_of(floating y) noexcept nogil:
    """The label that y stands for: 0 and 1 are as good as -1 and 1."""
    return -1 if y == 0 else y


cdef void hinge(
    Py_ssize_t rows, Py_ssize_t width, const floating* y_true, const floating* y_pred, double parameter,
    const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = mean of m, d value / d y_pred = -y / width where m > 0, with m = max(1 - y y_pred, 0)."""
    cdef Py_ssize_t r, j
    cdef floating y, margin, total, factor = 0
    for r in range(rows):
        total = 0
        if delta != NULL:
            factor = <floating>(coefficients[r] / width)
        for j in range(width):
            y = sign_of(y_true[j])
            margin = 1 - y * y_pred[j]
            total += 0 if margin <= 0 else margin   # NaN stays NaN
            if delta != NULL:
                delta[j] = -factor * y if margin > 0 else 0
        values[r] = total / width
        if delta != NULL:
            delta += width
        y_true += width
        y_pred += width


cdef void squared_hinge(
    Py_ssize_t rows, Py_ssize_t width, const floating* y_true, const floating* y_pred, double parameter,
    const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = mean of m^2, d value / d y_pred = -2 y m / width, with m = max(1 - y y_pred, 0)."""
    cdef Py_ssize_t r, j
    cdef floating y, margin, total, factor = 0
    for r in range(rows):
        total = 0
        if delta != NULL:
            factor = <floating>(2 * coefficients[r] / width)
        for j in range(width):
            y = sign_of(y_true[j])
            margin = 1 - y * y_pred[j]
            margin = 0 if margin <= 0 else margin   # NaN stays NaN
            total += margin * margin
            if delta != NULL:
                delta[j] = -factor * y * margin
        values[r] = total / width
        if delta != NULL:
            delta += width
        y_true += width
        y_pred += width


cdef void categorical_hinge(
    Py_ssize_t rows, Py_ssize_t width, const floating* y_true, const floating* y_pred, double parameter,
    const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = max(1 + n - p, 0), with p = sum of y y_pred, and n = the largest (1 - y) y_pred.

    Where it is positive: d value / d y_pred_j = (1 - y_j) [j has the largest] / (how many have) - y_j.
    """
    cdef Py_ssize_t r, j, ties
    cdef floating positive, negative, other, margin, coefficient, part
    for r in range(rows):
        positive = 0
        negative = (1 - y_true[0]) * y_pred[0]
        ties = 0
        for j in range(width):
            positive += y_true[j] * y_pred[j]
            other = (1 - y_true[j]) * y_pred[j]
            if other > negative:
                negative = other
                ties = 0
            ties += other == negative
        margin = 1 + negative - positive
        # Written so that NaN stays NaN: the run is to see it.
        values[r] = 0 if margin < 0 else margin
        if delta != NULL:
            coefficient = <floating>coefficients[r] if margin > 0 else 0
            part = coefficient / max(ties, 1)
            for j in range(width):
                other = (1 - y_true[j]) * y_pred[j]
                delta[j] = (part * (1 - y_true[j]) if other == negative else 0) - coefficient * y_true[j]
            delta += width
        y_true += width
        y_pred += width


cdef class Hinge(KernelFunction):
    each_element = True

    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.kernel32, self.kernel64 = hinge[float], hinge[double]


cdef class SquaredHinge(KernelFunction):
    each_element = True

    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.kernel32, self.kernel64 = squared_hinge[float], squared_hinge[double]


cdef class CategoricalHinge(KernelFunction):
    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.kernel32, self.kernel64 = categorical_hinge[float], categorical_hinge[double]
