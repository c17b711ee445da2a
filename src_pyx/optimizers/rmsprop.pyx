"""RMSprop, plain, centered, or with momentum."""

from cython cimport floating
from libc.stdint cimport uint64_t

from cbackprop.compiled.kernels.elementary cimport sqrt
from cbackprop.compiled.optimizers.optimizer cimport Optimizer, Segment


cdef inline floating root(floating v, floating a, floating epsilon) noexcept nogil:
    """sqrt(v - a^2 + epsilon). Rounding must not make v - a^2, which is a variance, negative."""
    cdef floating variance = v - a * a
    return sqrt((variance if variance > 0 else 0) + epsilon)


cdef void rmsprop(
    Py_ssize_t n, floating rate, floating one_minus_rho, floating epsilon, floating* w, const floating* g, floating* v
) noexcept nogil:
    """v += (1 - rho)(g^2 - v); w -= rate g / sqrt(v + epsilon)."""
    cdef Py_ssize_t i
    for i in range(n):
        v[i] += one_minus_rho * (g[i] * g[i] - v[i])
        w[i] -= rate * g[i] / sqrt(v[i] + epsilon)


cdef void rmsprop_momentum(
    Py_ssize_t n, floating rate, floating one_minus_rho, floating epsilon, floating momentum,
    floating* w, const floating* g, floating* v, floating* m,
) noexcept nogil:
    """v as in `rmsprop`; m = momentum m + rate g / sqrt(v + epsilon); w -= m."""
    cdef Py_ssize_t i
    for i in range(n):
        v[i] += one_minus_rho * (g[i] * g[i] - v[i])
        m[i] = momentum * m[i] + rate * g[i] / sqrt(v[i] + epsilon)
        w[i] -= m[i]


cdef void centered(
    Py_ssize_t n, floating rate, floating one_minus_rho, floating epsilon,
    floating* w, const floating* g, floating* v, floating* a,
) noexcept nogil:
    """v as in `rmsprop`; a += (1 - rho)(g - a); w -= rate g / sqrt(v - a^2 + epsilon)."""
    cdef Py_ssize_t i
    for i in range(n):
        v[i] += one_minus_rho * (g[i] * g[i] - v[i])
        a[i] += one_minus_rho * (g[i] - a[i])
        w[i] -= rate * g[i] / root(v[i], a[i], epsilon)


cdef void centered_momentum(
    Py_ssize_t n, floating rate, floating one_minus_rho, floating epsilon, floating momentum,
    floating* w, const floating* g, floating* v, floating* a, floating* m,
) noexcept nogil:
    """v and a as in `centered`; m = momentum m + rate g / sqrt(v - a^2 + epsilon); w -= m."""
    cdef Py_ssize_t i
    for i in range(n):
        v[i] += one_minus_rho * (g[i] * g[i] - v[i])
        a[i] += one_minus_rho * (g[i] - a[i])
        m[i] = momentum * m[i] + rate * g[i] / root(v[i], a[i], epsilon)
        w[i] -= m[i]


cdef class RMSprop(Optimizer):
    cdef double rho, momentum, epsilon
    cdef bint centered
    cdef double rate

    def __init__(self, spec, bint is_double):
        super().__init__(spec, is_double)
        self.rho = spec.rho
        self.momentum = spec.momentum
        self.epsilon = spec.epsilon
        self.centered = spec.centered
        self.n_slots = 1 + self.centered + (self.momentum > 0)

    cdef void begin(self, double learning_rate, uint64_t iteration) noexcept nogil:
        self.rate = learning_rate

    cdef void update(self, const Segment* segment) noexcept nogil:
        if self.is_double:
            self.run(segment, <double*>segment.values)
        else:
            self.run(segment, <float*>segment.values)

    cdef void run(self, const Segment* segment, floating* w) noexcept nogil:
        cdef Py_ssize_t n = segment.size
        cdef const floating* g = <const floating*>segment.gradients
        cdef floating* v = <floating*>segment.slots[0]
        cdef floating* a = <floating*>segment.slots[1]
        cdef floating* m = <floating*>segment.slots[self.n_slots - 1]
        cdef floating rate = <floating>self.rate, rest = <floating>(1 - self.rho)
        cdef floating epsilon = <floating>self.epsilon, momentum = <floating>self.momentum
        if self.centered and momentum > 0:
            centered_momentum(n, rate, rest, epsilon, momentum, w, g, v, a, m)
        elif self.centered:
            centered(n, rate, rest, epsilon, w, g, v, a)
        elif momentum > 0:
            rmsprop_momentum(n, rate, rest, epsilon, momentum, w, g, v, m)
        else:
            rmsprop(n, rate, rest, epsilon, w, g, v)
