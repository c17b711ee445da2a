"""Cross-entropies between labels and predicted probabilities.

Each comes in three forms. From probabilities p, as Keras computes it: p is clipped away from 0 and 1.
From logits z, where link and loss cancel: d value / dz = p - y. And linked: y_pred holds the logits of
the last layer, whose activation the loss has taken over; it writes p there in the same pass.
"""

from cython cimport floating
from libc.stdint cimport int64_t

from cbackprop.compiled.kernels.elementary cimport exp, log
from cbackprop.compiled.losses.row_function cimport RowFunction

# What Keras keeps probabilities away from 0 and 1 by.
cdef double EPSILON = 1e-7


cdef inline floating softmax_row(Py_ssize_t width, const floating* z, floating* p) noexcept nogil:
    """p = softmax(z), and the return value is log sum exp(z). p may be z."""
    cdef Py_ssize_t j
    cdef floating largest = z[0], total = 0
    for j in range(1, width):
        largest = z[j] if z[j] > largest else largest
    for j in range(width):
        p[j] = exp(z[j] - largest)
        total += p[j]
    for j in range(width):
        p[j] /= total
    return largest + log(total)


cdef inline floating log_sum_exp(Py_ssize_t width, const floating* z) noexcept nogil:
    """log sum exp(z), without overflow."""
    cdef Py_ssize_t j
    cdef floating largest = z[0], total = 0
    for j in range(1, width):
        largest = z[j] if z[j] > largest else largest
    for j in range(width):
        total += exp(z[j] - largest)
    return largest + log(total)


cdef void sparse_from_logits(
    Py_ssize_t rows, Py_ssize_t width, const int64_t* y_true, floating* z, bint linked,
    const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = log sum exp(z) - z_y, d value / dz = softmax(z) - onehot(y)."""
    cdef Py_ssize_t r, j
    cdef floating coefficient, label_logit
    cdef floating* p
    for r in range(rows):
        label_logit = z[y_true[r]]
        p = z if linked else delta
        if p == NULL:
            values[r] = log_sum_exp(width, z) - label_logit
        else:
            values[r] = softmax_row(width, z, p) - label_logit
        if delta != NULL:
            coefficient = <floating>coefficients[r]
            for j in range(width):
                delta[j] = coefficient * p[j]
            delta[y_true[r]] -= coefficient
            delta += width
        z += width


cdef void sparse_from_probabilities(
    Py_ssize_t rows, Py_ssize_t width, const int64_t* y_true, const floating* p,
    const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = -log q_y, with q = p / sum p clipped to [epsilon, 1 - epsilon].

    With s = sum p, inside the clip: d value / dp_j = 1 / s - [j = y] / p_y; outside it: 0.
    """
    cdef Py_ssize_t r, j
    cdef floating total, q, clipped, coefficient
    for r in range(rows):
        total = 0
        for j in range(width):
            total += p[j]
        q = p[y_true[r]] / total
        clipped = min(max(q, <floating>EPSILON), <floating>(1 - EPSILON))
        values[r] = -log(clipped)
        if delta != NULL:
            coefficient = <floating>coefficients[r] if q == clipped else 0
            for j in range(width):
                delta[j] = coefficient / total
            if q == clipped:
                delta[y_true[r]] -= coefficient / p[y_true[r]]
            delta += width
        p += width


cdef class SparseCategoricalCrossentropy(RowFunction):
    cdef bint from_logits
    cdef bint linked

    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.linked = linked
        self.from_logits = spec.from_logits or linked

    cdef void evaluate(
        self, Py_ssize_t rows, Py_ssize_t width, const void* y_true, void* y_pred,
        const double* coefficients, double* values, void* delta,
    ) noexcept nogil:
        if self.is_double:
            self.run(rows, width, <const int64_t*>y_true, <double*>y_pred, coefficients, values, <double*>delta)
        else:
            self.run(rows, width, <const int64_t*>y_true, <float*>y_pred, coefficients, values, <float*>delta)

    cdef void run(
        self, Py_ssize_t rows, Py_ssize_t width, const int64_t* y_true, floating* y_pred,
        const double* coefficients, double* values, floating* delta,
    ) noexcept nogil:
        if self.from_logits:
            sparse_from_logits(rows, width, y_true, y_pred, self.linked, coefficients, values, delta)
        else:
            sparse_from_probabilities(rows, width, y_true, y_pred, coefficients, values, delta)
