"""Adam and its relatives: AMSGrad, Adamax, Nadam, Lamb, and AdamW without a schedule."""

from cython cimport floating
from libc.math cimport pow, sqrt as sqrt_double
from libc.stdint cimport uint64_t

from cbackprop.compiled.kernels.elementary cimport fabs, sqrt
from cbackprop.compiled.optimizers.optimizer cimport Optimizer, Segment, squared_norm, step_along


cdef void adam(
    Py_ssize_t n, floating rate, floating one_minus_beta_1, floating one_minus_beta_2, floating epsilon,
    floating* w, const floating* g, floating* m, floating* v,
) noexcept nogil:
    """m += (1 - beta_1)(g - m); v += (1 - beta_2)(g^2 - v); w -= rate m / (sqrt(v) + epsilon)."""
    cdef Py_ssize_t i
    for i in range(n):
        m[i] += one_minus_beta_1 * (g[i] - m[i])
        v[i] += one_minus_beta_2 * (g[i] * g[i] - v[i])
        w[i] -= rate * m[i] / (sqrt(v[i]) + epsilon)


cdef void amsgrad(
    Py_ssize_t n, floating rate, floating one_minus_beta_1, floating one_minus_beta_2, floating epsilon,
    floating* w, const floating* g, floating* m, floating* v, floating* largest,
) noexcept nogil:
    """As `adam`, but dividing by the square root of the largest v so far."""
    cdef Py_ssize_t i
    for i in range(n):
        m[i] += one_minus_beta_1 * (g[i] - m[i])
        v[i] += one_minus_beta_2 * (g[i] * g[i] - v[i])
        largest[i] = v[i] if v[i] > largest[i] else largest[i]
        w[i] -= rate * m[i] / (sqrt(largest[i]) + epsilon)


cdef class Adam(Optimizer):
    cdef double beta_1, beta_2, epsilon
    cdef bint use_amsgrad
    cdef double rate

    def __init__(self, spec, bint is_double):
        super().__init__(spec, is_double)
        self.beta_1 = spec.beta_1
        self.beta_2 = spec.beta_2
        self.epsilon = spec.epsilon
        self.use_amsgrad = spec.amsgrad
        self.n_slots = 3 if self.use_amsgrad else 2

    cdef void begin(self, double learning_rate, uint64_t iteration) noexcept nogil:
        """Fold the corrections of both means' bias towards 0 into the rate."""
        self.rate = (
            learning_rate * sqrt_double(1 - pow(self.beta_2, <double>iteration))
            / (1 - pow(self.beta_1, <double>iteration))
        )

    cdef void update(self, const Segment* segment) noexcept nogil:
        if self.is_double:
            self.run(segment, <double*>segment.values)
        else:
            self.run(segment, <float*>segment.values)

    cdef void run(self, const Segment* segment, floating* w) noexcept nogil:
        cdef const floating* g = <const floating*>segment.gradients
        cdef floating* m = <floating*>segment.slots[0]
        cdef floating* v = <floating*>segment.slots[1]
        cdef floating rate = <floating>self.rate, epsilon = <floating>self.epsilon
        cdef floating rest_1 = <floating>(1 - self.beta_1), rest_2 = <floating>(1 - self.beta_2)
        if self.use_amsgrad:
            amsgrad(segment.size, rate, rest_1, rest_2, epsilon, w, g, m, v, <floating*>segment.slots[2])
        else:
            adam(segment.size, rate, rest_1, rest_2, epsilon, w, g, m, v)


cdef void adamax(
    Py_ssize_t n, floating rate, floating one_minus_beta_1, floating beta_2, floating epsilon,
    floating* w, const floating* g, floating* m, floating* u,
) noexcept nogil:
    """m += (1 - beta_1)(g - m); u = max(beta_2 u, |g|); w -= rate m / (u + epsilon)."""
    cdef Py_ssize_t i
    cdef floating size, faded
    for i in range(n):
        m[i] += one_minus_beta_1 * (g[i] - m[i])
        size = fabs(g[i])
        faded = beta_2 * u[i]
        u[i] = faded if faded > size else size
        w[i] -= rate * m[i] / (u[i] + epsilon)


cdef class Adamax(Optimizer):
    cdef double beta_1, beta_2, epsilon
    cdef double rate

    def __init__(self, spec, bint is_double):
        super().__init__(spec, is_double)
        self.beta_1, self.beta_2, self.epsilon = spec.beta_1, spec.beta_2, spec.epsilon
        self.n_slots = 2

    cdef void begin(self, double learning_rate, uint64_t iteration) noexcept nogil:
        self.rate = learning_rate / (1 - pow(self.beta_1, <double>iteration))

    cdef void update(self, const Segment* segment) noexcept nogil:
        if self.is_double:
            self.run(segment, <double*>segment.values)
        else:
            self.run(segment, <float*>segment.values)

    cdef void run(self, const Segment* segment, floating* w) noexcept nogil:
        adamax(
            segment.size, <floating>self.rate, <floating>(1 - self.beta_1), <floating>self.beta_2,
            <floating>self.epsilon, w, <const floating*>segment.gradients, <floating*>segment.slots[0],
            <floating*>segment.slots[1],
        )


cdef void nadam(
    Py_ssize_t n, floating rate_m, floating rate_g, floating one_minus_beta_1, floating one_minus_beta_2,
    floating correction, floating epsilon, floating* w, const floating* g, floating* m, floating* v,
) noexcept nogil:
    """m and v as in `adam`; w -= (rate_m m + rate_g g) / (sqrt(correction v) + epsilon)."""
    cdef Py_ssize_t i
    for i in range(n):
        m[i] += one_minus_beta_1 * (g[i] - m[i])
        v[i] += one_minus_beta_2 * (g[i] * g[i] - v[i])
        w[i] -= (rate_m * m[i] + rate_g * g[i]) / (sqrt(correction * v[i]) + epsilon)


cdef class Nadam(Optimizer):
    cdef double beta_1, beta_2, epsilon
    cdef double rate_m, rate_g, correction
    cdef double product             # of the momenta u_1 ... u_t
    cdef uint64_t product_steps     # t

    def __init__(self, spec, bint is_double):
        super().__init__(spec, is_double)
        self.beta_1, self.beta_2, self.epsilon = spec.beta_1, spec.beta_2, spec.epsilon
        self.product = 1
        self.n_slots = 2

    cdef double momentum(self, uint64_t t) noexcept nogil:
        """u_t."""
        return self.beta_1 * (1 - 0.5 * pow(0.96, <double>t))

    cdef void multiply_momenta(self, uint64_t t) noexcept nogil:
        """Go on with the product from the last step, or if this is not the next one, begin again."""
        if t < self.product_steps:
            self.product, self.product_steps = 1, 0
        while self.product_steps < t and self.product > 0:
            self.product_steps += 1
            self.product *= self.momentum(self.product_steps)
        self.product_steps = t

    cdef void begin(self, double learning_rate, uint64_t iteration) noexcept nogil:
        cdef double now = self.momentum(iteration), then = self.momentum(iteration + 1)
        self.multiply_momenta(iteration)
        self.rate_m = learning_rate * then / (1 - self.product * then)
        self.rate_g = learning_rate * (1 - now) / (1 - self.product)
        self.correction = 1 / (1 - pow(self.beta_2, <double>iteration))

    cdef void update(self, const Segment* segment) noexcept nogil:
        if self.is_double:
            self.run(segment, <double*>segment.values)
        else:
            self.run(segment, <float*>segment.values)

    cdef void run(self, const Segment* segment, floating* w) noexcept nogil:
        nadam(
            segment.size, <floating>self.rate_m, <floating>self.rate_g, <floating>(1 - self.beta_1),
            <floating>(1 - self.beta_2), <floating>self.correction, <floating>self.epsilon,
            w, <const floating*>segment.gradients, <floating*>segment.slots[0], <floating*>segment.slots[1],
        )


cdef void lamb_direction(
    Py_ssize_t n, floating one_minus_beta_1, floating one_minus_beta_2, floating correction_1, floating correction_2,
    floating epsilon, floating* g, floating* m, floating* v,
) noexcept nogil:
    """m and v as in `adam`; g = correction_1 m / (sqrt(correction_2 v) + epsilon)."""
    cdef Py_ssize_t i
    for i in range(n):
        m[i] += one_minus_beta_1 * (g[i] - m[i])
        v[i] += one_minus_beta_2 * (g[i] * g[i] - v[i])
        g[i] = correction_1 * m[i] / (sqrt(correction_2 * v[i]) + epsilon)


cdef class Lamb(Optimizer):
    """The direction of Adam, as long as learning_rate times the norm of the weights."""

    cdef double beta_1, beta_2, epsilon
    cdef double correction_1, correction_2, rate

    def __init__(self, spec, bint is_double):
        super().__init__(spec, is_double)
        self.beta_1, self.beta_2, self.epsilon = spec.beta_1, spec.beta_2, spec.epsilon
        self.n_slots = 2
        self.whole = True

    cdef void begin(self, double learning_rate, uint64_t iteration) noexcept nogil:
        self.rate = learning_rate
        self.correction_1 = 1 / (1 - pow(self.beta_1, <double>iteration))
        self.correction_2 = 1 / (1 - pow(self.beta_2, <double>iteration))

    cdef void update(self, const Segment* segment) noexcept nogil:
        if self.is_double:
            self.run(segment, <double*>segment.values)
        else:
            self.run(segment, <float*>segment.values)

    cdef void run(self, const Segment* segment, floating* w) noexcept nogil:
        cdef floating* g = <floating*>segment.gradients
        cdef double weights = sqrt_double(squared_norm(segment.size, w)), direction
        lamb_direction(
            segment.size, <floating>(1 - self.beta_1), <floating>(1 - self.beta_2), <floating>self.correction_1,
            <floating>self.correction_2, <floating>self.epsilon, g, <floating*>segment.slots[0],
            <floating*>segment.slots[1],
        )
        direction = sqrt_double(squared_norm(segment.size, g))
        step_along(
            segment.size, <floating>(self.rate * (weights / direction if weights > 0 and direction > 0 else 1)), w, g
        )


cdef void schedule_free(
    Py_ssize_t n, floating rate, floating one_minus_beta_1, floating one_minus_beta_2, floating correction,
    floating epsilon, floating weight, floating* w, const floating* g, floating* z, floating* v,
) noexcept nogil:
    """v as in `adam`; z' = z - rate g / (sqrt(correction v) + epsilon); w = (1 - beta_1) z' + beta_1 x'.

    x' = (1 - weight) x + weight z', where beta_1 x = w - (1 - beta_1) z.
    """
    cdef Py_ssize_t i
    cdef floating after, scaled_x, beta_1 = 1 - one_minus_beta_1
    for i in range(n):
        v[i] += one_minus_beta_2 * (g[i] * g[i] - v[i])
        after = z[i] - rate * g[i] / (sqrt(correction * v[i]) + epsilon)
        scaled_x = w[i] - one_minus_beta_1 * z[i]
        w[i] = one_minus_beta_1 * after + (1 - weight) * scaled_x + weight * beta_1 * after
        z[i] = after


cdef class ScheduleFreeAdamW(Optimizer):
    cdef double beta_1, beta_2, epsilon, warmup_steps
    cdef double rate, correction, weight

    def __init__(self, spec, bint is_double):
        super().__init__(spec, is_double)
        self.beta_1, self.beta_2, self.epsilon = spec.beta_1, spec.beta_2, spec.epsilon
        self.warmup_steps = spec.warmup_steps
        self.n_slots = 2

    cdef void begin(self, double learning_rate, uint64_t iteration) noexcept nogil:
        self.rate = learning_rate
        if iteration < self.warmup_steps:
            self.rate *= iteration / self.warmup_steps
        self.correction = 1 / (1 - pow(self.beta_2, <double>iteration))
        self.weight = 1 / <double>iteration

    cdef void update(self, const Segment* segment) noexcept nogil:
        if self.is_double:
            self.run(segment, <double*>segment.values)
        else:
            self.run(segment, <float*>segment.values)

    cdef void run(self, const Segment* segment, floating* w) noexcept nogil:
        schedule_free(
            segment.size, <floating>self.rate, <floating>(1 - self.beta_1), <floating>(1 - self.beta_2),
            <floating>self.correction, <floating>self.epsilon, <floating>self.weight, w,
            <const floating*>segment.gradients, <floating*>segment.slots[0], <floating*>segment.slots[1],
        )
