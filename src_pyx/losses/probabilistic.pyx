"""Losses of distributions: divergence, counts, and cross-entropies that heed some labels more than others.

Where a loss has a link, it comes from probabilities, from logits z, and linked, as in crossentropy.pyx.
"""

from cython cimport floating
from libc.stdint cimport int64_t

from cbackprop.compiled.kernels.elementary cimport exp, fabs, log, log1p
from cbackprop.compiled.kernels.epsilon cimport EPSILON
from cbackprop.compiled.losses.row_function cimport KernelFunction, RowFunction


cdef inline floating power(floating x, floating exponent) noexcept nogil:
    """x^exponent for x > 0; 0^exponent is 1 for the exponent 0, and otherwise 0: no limit here is infinite."""
    if exponent == 0:
        return 1
    if x <= 0:
        return 0
    if exponent == 1:
        return x
    return x * x if exponent == 2 else exp(exponent * log(x))


cdef void kl_divergence(
    Py_ssize_t rows, Py_ssize_t width, const floating* y_true, const floating* y_pred, double parameter,
    const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = sum of y log(y / p), both clipped to [epsilon, 1]; inside the clip d value / dp = -y / p."""
    cdef Py_ssize_t r, j
    cdef floating y, p, total, coefficient = 0, low = <floating>EPSILON, one = 1
    for r in range(rows):
        total = 0
        if delta != NULL:
            coefficient = <floating>coefficients[r]
        for j in range(width):
            y = min(max(y_true[j], low), one)
            p = min(max(y_pred[j], low), one)
            total += y * log(y / p)
            if delta != NULL:
                delta[j] = -coefficient * y / p if p == y_pred[j] else 0
        values[r] = total
        if delta != NULL:
            delta += width
        y_true += width
        y_pred += width


cdef void poisson(
    Py_ssize_t rows, Py_ssize_t width, const floating* y_true, const floating* y_pred, double parameter,
    const double* coefficients, double* values, floating* delta,
) noexcept nogil:
    """value = mean of p - y log(p + epsilon), d value / dp = (1 - y / (p + epsilon)) / width."""
    cdef Py_ssize_t r, j
    cdef floating total, factor = 0, p, low = <floating>EPSILON
    for r in range(rows):
        total = 0
        if delta != NULL:
            factor = <floating>(coefficients[r] / width)
        for j in range(width):
            p = y_pred[j] + low
            total += y_pred[j] - y_true[j] * log(p)
            if delta != NULL:
                delta[j] = factor * (1 - y_true[j] / p)
        values[r] = total / width
        if delta != NULL:
            delta += width
        y_true += width
        y_pred += width


cdef class KLDivergence(KernelFunction):
    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.kernel32, self.kernel64 = kl_divergence[float], kl_divergence[double]


cdef class Poisson(KernelFunction):
    each_element = True

    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.kernel32, self.kernel64 = poisson[float], poisson[double]


cdef inline void softmax(Py_ssize_t width, floating* z, floating* log_total, floating* largest) noexcept nogil:
    """max z, log sum e^(z - max z)."""
    cdef Py_ssize_t j
    cdef floating top = z[0], total = 0
    for j in range(1, width):
        top = z[j] if z[j] > top else top
    for j in range(width):
        total += exp(z[j] - top)
    largest[0] = top
    log_total[0] = log(total)


cdef inline floating focal(floating y, floating rest, floating log_p, floating gamma, floating* slope) noexcept nogil:
    """f = -y rest^gamma log p with rest = 1 - p; slope = p df/dp = y (gamma p rest^(gamma - 1) log p - rest^gamma)."""
    cdef floating factor = power(rest, gamma)
    slope[0] = -y * factor
    if gamma != 0 and rest > 0:
        slope[0] += y * gamma * (1 - rest) * power(rest, gamma - 1) * log_p
    return -y * factor * log_p


cdef class Focal(RowFunction):
    """What the focal cross-entropies read from their specs."""

    cdef bint from_logits
    cdef bint linked
    cdef bint balanced
    cdef double smoothing
    cdef double alpha
    cdef double gamma

    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.linked = linked
        self.from_logits = spec.from_logits or linked
        self.smoothing = spec.label_smoothing
        self.balanced = getattr(spec, "apply_class_balancing", False)
        self.alpha = spec.alpha
        self.gamma = spec.gamma


cdef class CategoricalFocalCrossentropy(Focal):
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
        cdef Py_ssize_t r
        for r in range(rows):
            if self.from_logits:
                values[r] = self.logits_row(width, y_true, y_pred, coefficients[r] if delta != NULL else 0, delta)
            else:
                values[r] = self.probabilities_row(
                    width, y_true, y_pred, coefficients[r] if delta != NULL else 0, delta
                )
            y_true += width
            y_pred += width
            if delta != NULL:
                delta += width

    cdef double logits_row(
        self, Py_ssize_t width, const floating* y_true, floating* z, double coefficient, floating* delta
    ) noexcept nogil:
        """Sum of alpha f_j, d/dz_j = alpha (slope_j - p_j sum of slopes), with p = softmax(z)."""
        cdef floating keep = <floating>(1 - self.smoothing), extra = <floating>(self.smoothing / width)
        cdef floating gamma = <floating>self.gamma, factor = <floating>(self.alpha * coefficient)
        cdef floating largest, log_total, p, rest, log_p, slope, total = 0, slopes = 0
        cdef Py_ssize_t j
        softmax(width, z, &log_total, &largest)
        for j in range(width):
            log_p = z[j] - largest - log_total
            p = exp(log_p)
            rest = 1 - p if p < 1 else 0
            total += focal(keep * y_true[j] + extra, rest, log_p, gamma, &slope)
            slopes += slope
            if delta != NULL:
                delta[j] = slope
        for j in range(width):
            p = exp(z[j] - largest - log_total)
            if delta != NULL:
                delta[j] = factor * (delta[j] - p * slopes)
            if self.linked:
                z[j] = p
        return self.alpha * total

    cdef double probabilities_row(
        self, Py_ssize_t width, const floating* y_true, const floating* p, double coefficient, floating* delta
    ) noexcept nogil:
        """Sum of alpha f_j of q = p / s clipped, s = sum p; d/dp_j = alpha (slope_j / q_j - sum of slopes) / s."""
        cdef floating keep = <floating>(1 - self.smoothing), extra = <floating>(self.smoothing / width)
        cdef floating gamma = <floating>self.gamma, factor = <floating>(self.alpha * coefficient)
        cdef floating low = <floating>EPSILON, high = <floating>(1 - EPSILON)
        cdef floating total = 0, mass = 0, slopes = 0, q, clipped, slope
        cdef Py_ssize_t j
        for j in range(width):
            mass += p[j]
        for j in range(width):
            q = p[j] / mass
            clipped = min(max(q, low), high)
            total += focal(keep * y_true[j] + extra, 1 - clipped, log(clipped), gamma, &slope)
            slope = slope if q == clipped else 0
            slopes += slope
            if delta != NULL:
                delta[j] = slope / clipped
        if delta != NULL:
            for j in range(width):
                delta[j] = factor * (delta[j] - slopes) / mass if mass != 0 else 0
        return self.alpha * total


cdef class BinaryFocalCrossentropy(Focal):
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
        """value = mean of w m^gamma b: b the binary cross-entropy, m = 1 - p_t = y (1 - p) + (1 - y) p.

        w = y alpha + (1 - y) (1 - alpha) where classes are balanced, else 1.
        """
        cdef floating keep = <floating>(1 - self.smoothing), extra = <floating>(self.smoothing / 2)
        cdef floating alpha = <floating>self.alpha, factor = 0, total, y, slope, w
        cdef Py_ssize_t r, j
        for r in range(rows):
            total = 0
            if delta != NULL:
                factor = <floating>(coefficients[r] / width)
            for j in range(width):
                y = keep * y_true[j] + extra
                w = y * alpha + (1 - y) * (1 - alpha) if self.balanced else 1
                if self.from_logits:
                    total += w * self.of_logit(y, &y_pred[j], &slope)
                else:
                    total += w * self.of_probability(y, y_pred[j], &slope)
                if delta != NULL:
                    delta[j] = factor * w * slope
            values[r] = total / width
            y_true += width
            y_pred += width
            if delta != NULL:
                delta += width

    cdef floating of_logit(self, floating y, floating* z, floating* slope) noexcept nogil:
        """m^gamma b, slope = gamma m^(gamma - 1) (1 - 2 y) p (1 - p) b + m^gamma (p - y)."""
        cdef floating gamma = <floating>self.gamma, e = exp(-fabs(z[0]))
        cdef floating large = 1 / (1 + e), small = e / (1 + e)
        cdef floating p = large if z[0] >= 0 else small, rest = small if z[0] >= 0 else large
        cdef floating b = (z[0] if z[0] > 0 else 0) - y * z[0] + log1p(e)
        cdef floating m = y * rest + (1 - y) * p
        cdef floating power_of_m = power(m, gamma)
        slope[0] = power_of_m * (p - y)
        if gamma != 0 and m > 0:
            slope[0] += gamma * power(m, gamma - 1) * (1 - 2 * y) * p * rest * b
        if self.linked:
            z[0] = p
        return power_of_m * b

    cdef floating of_probability(self, floating y, floating p, floating* slope) noexcept nogil:
        """As Keras: b from p clipped to [epsilon, 1 - epsilon], m from p as it is."""
        cdef floating gamma = <floating>self.gamma
        cdef floating q = min(max(p, <floating>EPSILON), <floating>(1 - EPSILON))
        cdef floating b = -(y * log(q) + (1 - y) * log1p(-q))
        cdef floating m = y * (1 - p) + (1 - y) * p
        cdef floating power_of_m = power(m, gamma)
        slope[0] = power_of_m * (q - y) / (q * (1 - q)) if q == p else 0
        if gamma == 1 or (gamma != 0 and m > 0):
            slope[0] += gamma * power(m, gamma - 1) * (1 - 2 * y) * b
        return power_of_m * b


cdef class CategoricalGeneralizedCrossEntropy(RowFunction):
    """value = (1 - p_y^q) / q."""

    reads = "index"
    links = ("softmax",)

    cdef bint linked
    cdef double q

    def __init__(self, spec, bint linked, bint is_double):
        super().__init__(spec, linked, is_double)
        self.linked = linked
        self.q = spec.q

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
        """d value / dp_y = -p_y^(q - 1), 0 where p_y is 0; with respect to logits p_y^q (p_j - [j = y])."""
        cdef Py_ssize_t r, j
        cdef floating q = <floating>self.q, p, power_of_p, coefficient, largest, log_total
        for r in range(rows):
            if self.linked:
                softmax(width, y_pred, &log_total, &largest)
                for j in range(width):
                    y_pred[j] = exp(y_pred[j] - largest - log_total)
            p = y_pred[y_true[r]]
            power_of_p = power(p, q)
            values[r] = (1 - power_of_p) / q
            if delta != NULL:
                coefficient = <floating>coefficients[r]
                for j in range(width):
                    delta[j] = coefficient * power_of_p * y_pred[j] if self.linked else 0
                if self.linked:
                    delta[y_true[r]] -= coefficient * power_of_p
                elif p > 0:
                    delta[y_true[r]] = -coefficient * power_of_p / p
                delta += width
            y_pred += width
