"""Cross-entropies between labels and predicted probabilities.

Each comes in three forms. From probabilities p, as Keras computes it: p is clipped away from 0 and 1.
From logits z, where link and loss cancel: d value / dz = p - y. And linked: y_pred holds the logits of
the last layer, whose activation the loss has taken over; it writes p there in the same pass.

Smoothed labels are keep y + extra, for labels y as given.
"""

from cython cimport floating
from libc.stdint cimport int64_t

from cbackprop.compiled.kernels.elementary cimport exp, fabs, log, log1p
from cbackprop.compiled.kernels.epsilon cimport EPSILON
from cbackprop.compiled.losses.row_function cimport RowFunction


cdef inline floating clip(floating p) noexcept nogil:
    """p, kept away from 0 and 1."""
    return min(max(p, <floating>EPSILON), <floating>(1 - EPSILON))


cdef inline floating largest_of(Py_ssize_t width, const floating* z) noexcept nogil:
    """max z."""
    cdef Py_ssize_t j
    cdef floating largest = z[0]
    for j in range(1, width):
        largest = z[j] if z[j] > largest else largest
    return largest


cdef inline floating sum_of(Py_ssize_t width, const floating* p) noexcept nogil:
    """sum p."""
    cdef Py_ssize_t j
    cdef floating total = 0
    for j in range(width):
        total += p[j]
    return total


cdef inline floating log_partition(
    Py_ssize_t width, const floating* z, floating largest, floating* p
) noexcept nogil:
    """log sum e^(z - largest), for largest = max z; and p = softmax(z), unless p is NULL. p may be z."""
    cdef Py_ssize_t j
    cdef floating total = 0
    if p == NULL:
        for j in range(width):
            total += exp(z[j] - largest)
        return log(total)
    for j in range(width):
        p[j] = exp(z[j] - largest)
        total += p[j]
    for j in range(width):
        p[j] /= total
    return log(total)


cdef void sparse_from_logits(
    Py_ssize_t rows, Py_ssize_t width, const int64_t* y_true, floating* z, bint linked,
    const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = log sum e^z - z_y, d value / dz = softmax(z) - onehot(y)."""
    cdef Py_ssize_t r, j
    cdef floating coefficient, largest, gap
    cdef floating* p
    for r in range(rows):
        largest = largest_of(width, z)
        gap = largest - z[y_true[r]]
        p = z if linked else delta
        values[r] = gap + log_partition(width, z, largest, p)
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
        total = sum_of(width, p)
        q = p[y_true[r]] / total
        clipped = clip(q)
        values[r] = -log(clipped)
        if delta != NULL:
            coefficient = <floating>coefficients[r]
            for j in range(width):
                delta[j] = coefficient / total if q == clipped else 0
            if q == clipped:
                delta[y_true[r]] -= coefficient / p[y_true[r]]
            delta += width
        p += width


cdef void categorical_from_logits(
    Py_ssize_t rows, Py_ssize_t width, const floating* y_true, floating* z, bint linked,
    floating keep, floating extra, const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = sum of y_j (log sum e^z - z_j), d value / dz = softmax(z) sum y - y."""
    cdef Py_ssize_t r, j
    cdef floating coefficient, largest, gap, mass, y
    cdef floating* p
    for r in range(rows):
        largest = largest_of(width, z)
        gap = mass = 0
        for j in range(width):
            y = keep * y_true[j] + extra
            gap += y * (largest - z[j])
            mass += y
        p = z if linked else delta
        values[r] = gap + mass * log_partition(width, z, largest, p)
        if delta != NULL:
            coefficient = <floating>coefficients[r]
            for j in range(width):
                delta[j] = coefficient * (mass * p[j] - (keep * y_true[j] + extra))
            delta += width
        y_true += width
        z += width


cdef void categorical_from_probabilities(
    Py_ssize_t rows, Py_ssize_t width, const floating* y_true, const floating* p,
    floating keep, floating extra, const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = -sum of y_j log q_j, with q = p / sum p clipped to [epsilon, 1 - epsilon].

    With s = sum p, and labels of clipped elements taken as 0: d value / dp_j = (sum y - y_j / q_j) / s.
    """
    cdef Py_ssize_t r, j
    cdef floating coefficient, total, mass, value, y, q, clipped
    for r in range(rows):
        total = sum_of(width, p)
        value = mass = 0
        for j in range(width):
            y = keep * y_true[j] + extra
            q = p[j] / total
            clipped = clip(q)
            value -= y * log(clipped)
            mass += y if q == clipped else 0
        values[r] = value
        if delta != NULL:
            coefficient = <floating>coefficients[r] / total if total != 0 else 0
            for j in range(width):
                y = keep * y_true[j] + extra
                q = p[j] / total
                delta[j] = coefficient * (mass - (y / q if q == clip(q) else 0))
            delta += width
        y_true += width
        p += width


cdef void binary_from_logits(
    Py_ssize_t rows, Py_ssize_t width, const floating* y_true, floating* z, bint linked,
    floating keep, floating extra, const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = mean of log(1 + e^z) - y z, d value / dz = (p - y) / width with p = sigmoid(z).

    log(1 + e^z) = max(z, 0) + log(1 + e^-|z|), so that no exponent is positive.
    """
    cdef Py_ssize_t r, j
    cdef floating total, factor = 0, y, p, e
    for r in range(rows):
        total = 0
        if delta != NULL:
            factor = <floating>(coefficients[r] / width)
        for j in range(width):
            y = keep * y_true[j] + extra
            e = exp(-fabs(z[j]))
            total += (z[j] if z[j] > 0 else 0) - y * z[j] + log1p(e)
            p = (1 if z[j] >= 0 else e) / (1 + e)
            if linked:
                z[j] = p
            if delta != NULL:
                delta[j] = factor * (p - y)
        values[r] = total / width
        if delta != NULL:
            delta += width
        y_true += width
        z += width


cdef void binary_from_probabilities(
    Py_ssize_t rows, Py_ssize_t width, const floating* y_true, const floating* p,
    floating keep, floating extra, const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = -mean of y log q + (1 - y) log(1 - q), with q = p clipped to [epsilon, 1 - epsilon].

    Inside the clip: d value / dp = (q - y) / (q (1 - q) width); outside it: 0.
    """
    cdef Py_ssize_t r, j
    cdef floating total, factor = 0, y, q
    for r in range(rows):
        total = 0
        if delta != NULL:
            factor = <floating>(coefficients[r] / width)
        for j in range(width):
            y = keep * y_true[j] + extra
            q = clip(p[j])
            total -= y * log(q) + (1 - y) * log1p(-q)
            if delta != NULL:
                delta[j] = factor * (q - y) / (q * (1 - q)) if q == p[j] else 0
        values[r] = total / width
        if delta != NULL:
            delta += width
        y_true += width
        p += width


cdef class Crossentropy(RowFunction):
    """What the cross-entropies read from their specs."""

    cdef bint from_logits
    cdef bint linked
    cdef double smoothing

    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.linked = linked
        self.from_logits = spec.from_logits or linked
        self.smoothing = getattr(spec, "label_smoothing", 0)


cdef class SparseCategoricalCrossentropy(Crossentropy):
    reads = "index"
    links = ("softmax",)

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


cdef class CategoricalCrossentropy(Crossentropy):
    links = ("softmax",)

    cdef void evaluate(
        self, Py_ssize_t rows, Py_ssize_t width, const void* y_true, void* y_pred,
        const double* coefficients, double* values, void* delta,
    ) noexcept nogil:
        if self.is_double:
            self.run(rows, width, <const double*>y_true, <double*>y_pred, coefficients, values, <double*>delta)
        else:
            self.run(rows, width, <const float*>y_true, <float*>y_pred, coefficients, values, <float*>delta)

    cdef void run(
        self, Py_ssize_t rows, Py_ssize_t width, const floating* y_true, floating* y_pred,
        const double* coefficients, double* values, floating* delta,
    ) noexcept nogil:
        cdef floating keep = <floating>(1 - self.smoothing), extra = <floating>(self.smoothing / width)
        if self.from_logits:
            categorical_from_logits(
                rows, width, y_true, y_pred, self.linked, keep, extra, coefficients, values, delta
            )
        else:
            categorical_from_probabilities(rows, width, y_true, y_pred, keep, extra, coefficients, values, delta)


cdef class BinaryCrossentropy(Crossentropy):
    links = ("sigmoid",)
    each_element = True

    cdef void evaluate(
        self, Py_ssize_t rows, Py_ssize_t width, const void* y_true, void* y_pred,
        const double* coefficients, double* values, void* delta,
    ) noexcept nogil:
        if self.is_double:
            self.run(rows, width, <const double*>y_true, <double*>y_pred, coefficients, values, <double*>delta)
        else:
            self.run(rows, width, <const float*>y_true, <float*>y_pred, coefficients, values, <float*>delta)

    cdef void run(
        self, Py_ssize_t rows, Py_ssize_t width, const floating* y_true, floating* y_pred,
        const double* coefficients, double* values, floating* delta,
    ) noexcept nogil:
        cdef floating keep = <floating>(1 - self.smoothing), extra = <floating>(self.smoothing / 2)
        if self.from_logits:
            binary_from_logits(rows, width, y_true, y_pred, self.linked, keep, extra, coefficients, values, delta)
        else:
            binary_from_probabilities(rows, width, y_true, y_pred, keep, extra, coefficients, values, delta)
