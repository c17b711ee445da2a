"""Steps scaled by sums of squared gradients: Adagrad, Adadelta, Ftrl."""

from cython cimport floating
from libc.math cimport pow as pow_double, powf
from libc.stdint cimport uint64_t

from cbackprop.compiled.kernels.elementary cimport clip, sqrt
from cbackprop.compiled.optimizers.optimizer cimport Optimizer, Segment


cdef void adagrad(
    Py_ssize_t n, floating rate, floating epsilon, floating* w, const floating* g, floating* total
) noexcept nogil:
    """total += g^2; w -= rate g / sqrt(total + epsilon)."""
    cdef Py_ssize_t i
    for i in range(n):
        total[i] += g[i] * g[i]
        w[i] -= rate * g[i] / sqrt(total[i] + epsilon)


cdef class Adagrad(Optimizer):
    cdef double epsilon, rate

    def __init__(self, spec, bint is_double):
        super().__init__(spec, is_double)
        self.epsilon = spec.epsilon
        self.n_slots = 1

    cdef void begin(self, double learning_rate, uint64_t iteration) noexcept nogil:
        self.rate = learning_rate

    cdef void update(self, const Segment* segment) noexcept nogil:
        if self.is_double:
            self.run(segment, <double*>segment.values)
        else:
            self.run(segment, <float*>segment.values)

    cdef void run(self, const Segment* segment, floating* w) noexcept nogil:
        adagrad(
            segment.size, <floating>self.rate, <floating>self.epsilon, w, <const floating*>segment.gradients,
            <floating*>segment.slots[0],
        )


cdef void adadelta(
    Py_ssize_t n, floating rate, floating rho, floating epsilon,
    floating* w, const floating* g, floating* squares, floating* steps,
) noexcept nogil:
    """squares = rho squares + (1 - rho) g^2; step = sqrt((steps + epsilon) / (squares + epsilon)) g; likewise steps.

    w -= rate step.
    """
    cdef Py_ssize_t i
    cdef floating step, rest = 1 - rho
    for i in range(n):
        squares[i] = rho * squares[i] + rest * g[i] * g[i]
        step = sqrt(steps[i] + epsilon) * g[i] / sqrt(squares[i] + epsilon)
        steps[i] = rho * steps[i] + rest * step * step
        w[i] -= rate * step


cdef class Adadelta(Optimizer):
    cdef double rho, epsilon, rate

    def __init__(self, spec, bint is_double):
        super().__init__(spec, is_double)
        self.rho, self.epsilon = spec.rho, spec.epsilon
        self.n_slots = 2

    cdef void begin(self, double learning_rate, uint64_t iteration) noexcept nogil:
        self.rate = learning_rate

    cdef void update(self, const Segment* segment) noexcept nogil:
        if self.is_double:
            self.run(segment, <double*>segment.values)
        else:
            self.run(segment, <float*>segment.values)

    cdef void run(self, const Segment* segment, floating* w) noexcept nogil:
        adadelta(
            segment.size, <floating>self.rate, <floating>self.rho, <floating>self.epsilon, w,
            <const floating*>segment.gradients, <floating*>segment.slots[0], <floating*>segment.slots[1],
        )


cdef inline floating power(floating x, floating y, bint is_root) noexcept nogil:
    """x^y; the square root if that is what it is, as nearly always."""
    if is_root:
        return sqrt(x)
    return powf(x, y) if floating is float else pow_double(x, y)


cdef inline floating ftrl_element(
    floating inverse_rate, floating exponent, bint is_root, floating l1, floating l2, floating shrinkage,
    floating w, floating g, floating* total, floating* linear,
) noexcept nogil:
    """The new weight; see `ftrl`."""
    cdef floating before = power(total[0], exponent, is_root)
    cdef floating after, quadratic, rest
    total[0] += g * g
    after = power(total[0], exponent, is_root)
    linear[0] += g + shrinkage * w - inverse_rate * (after - before) * w
    quadratic = inverse_rate * after + l2
    rest = clip(linear[0], -l1, l1) - linear[0]
    # without any gradient so far, and no sum to begin with, both are 0
    return rest / quadratic if quadratic > 0 else 0


cdef void ftrl(
    Py_ssize_t n, floating inverse_rate, floating exponent, floating l1, floating l2, floating shrinkage,
    floating* w, const floating* g, floating* total, floating* linear,
) noexcept nogil:
    """total' = total + g^2; linear += g + shrinkage w - inverse_rate (total'^exponent - total^exponent) w.

    w = (clip(linear, -l1, l1) - linear) / (inverse_rate total'^exponent + l2).
    """
    cdef Py_ssize_t i
    if exponent == <floating>0.5:
        for i in range(n):
            w[i] = ftrl_element(
                inverse_rate, exponent, True, l1, l2, shrinkage, w[i], g[i], &total[i], &linear[i]
            )
    else:
        for i in range(n):
            w[i] = ftrl_element(
                inverse_rate, exponent, False, l1, l2, shrinkage, w[i], g[i], &total[i], &linear[i]
            )


cdef class Ftrl(Optimizer):
    cdef double exponent, l1, l2, shrinkage, beta, rate

    def __init__(self, spec, bint is_double):
        super().__init__(spec, is_double)
        self.exponent = -spec.learning_rate_power
        self.l1, self.l2 = spec.l1_regularization_strength, spec.l2_regularization_strength
        self.shrinkage = spec.l2_shrinkage_regularization_strength
        self.beta = spec.beta
        self.n_slots = 2

    cdef void begin(self, double learning_rate, uint64_t iteration) noexcept nogil:
        self.rate = learning_rate

    cdef void update(self, const Segment* segment) noexcept nogil:
        if self.rate == 0:
            return
        if self.is_double:
            self.run(segment, <double*>segment.values)
        else:
            self.run(segment, <float*>segment.values)

    cdef void run(self, const Segment* segment, floating* w) noexcept nogil:
        ftrl(
            segment.size, <floating>(1 / self.rate), <floating>self.exponent, <floating>self.l1,
            <floating>(2 * self.l2 + self.beta / self.rate), <floating>(2 * self.shrinkage), w,
            <const floating*>segment.gradients, <floating*>segment.slots[0], <floating*>segment.slots[1],
        )
