"""Adam and AMSGrad."""

from cython cimport floating
from libc.math cimport pow, sqrt as sqrt_double
from libc.stdint cimport uint64_t

from cbackprop.compiled.kernels.elementary cimport sqrt
from cbackprop.compiled.optimizers.optimizer cimport Optimizer, Segment


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
