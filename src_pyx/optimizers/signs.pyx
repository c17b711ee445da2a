"""Rules that look at the sign of a gradient, not at its size: Lion, Rprop."""

from cython cimport floating
from libc.stdint cimport uint64_t

from cbackprop.compiled.optimizers.optimizer cimport Optimizer, Segment


cdef inline floating sign(floating x) noexcept nogil:
    return <floating>(x > 0) - <floating>(x < 0)


cdef void lion(
    Py_ssize_t n, floating rate, floating beta_1, floating beta_2, floating* w, const floating* g, floating* m
) noexcept nogil:
    """w -= rate sign(beta_1 m + (1 - beta_1) g); m = beta_2 m + (1 - beta_2) g."""
    cdef Py_ssize_t i
    cdef floating rest_1 = 1 - beta_1, rest_2 = 1 - beta_2
    for i in range(n):
        w[i] -= rate * sign(beta_1 * m[i] + rest_1 * g[i])
        m[i] = beta_2 * m[i] + rest_2 * g[i]


cdef class Lion(Optimizer):
    cdef double beta_1, beta_2, rate

    def __init__(self, spec, bint is_double):
        super().__init__(spec, is_double)
        self.beta_1, self.beta_2 = spec.beta_1, spec.beta_2
        self.n_slots = 1

    cdef void begin(self, double learning_rate, uint64_t iteration) noexcept nogil:
        self.rate = learning_rate

    cdef void update(self, const Segment* segment) noexcept nogil:
        if self.is_double:
            self.run(segment, <double*>segment.values)
        else:
            self.run(segment, <float*>segment.values)

    cdef void run(self, const Segment* segment, floating* w) noexcept nogil:
        lion(
            segment.size, <floating>self.rate, <floating>self.beta_1, <floating>self.beta_2, w,
            <const floating*>segment.gradients, <floating*>segment.slots[0],
        )


cdef void rprop(
    Py_ssize_t n, floating eta_minus, floating eta_plus, floating min_step, floating max_step,
    floating* w, const floating* g, floating* earlier, floating* step,
) noexcept nogil:
    """step *= eta_plus where g has the sign of `earlier`; eta_minus, and g = 0, where it has the other one.

    w -= sign(g) step; earlier = g.
    """
    cdef Py_ssize_t i
    cdef floating change, factor, size, direction
    for i in range(n):
        change = sign(g[i]) * sign(earlier[i])
        factor = eta_plus if change > 0 else (eta_minus if change < 0 else <floating>1)
        size = step[i] * factor
        size = min_step if size < min_step else size
        size = max_step if size > max_step else size
        direction = <floating>0 if change < 0 else g[i]
        w[i] -= sign(direction) * size
        step[i] = size
        earlier[i] = direction


cdef class Rprop(Optimizer):
    cdef double eta_minus, eta_plus, min_step, max_step

    def __init__(self, spec, bint is_double):
        super().__init__(spec, is_double)
        self.eta_minus, self.eta_plus = spec.eta_minus, spec.eta_plus
        self.min_step, self.max_step = spec.min_step, spec.max_step
        self.n_slots = 2

    cdef void update(self, const Segment* segment) noexcept nogil:
        if self.is_double:
            self.run(segment, <double*>segment.values)
        else:
            self.run(segment, <float*>segment.values)

    cdef void run(self, const Segment* segment, floating* w) noexcept nogil:
        rprop(
            segment.size, <floating>self.eta_minus, <floating>self.eta_plus, <floating>self.min_step,
            <floating>self.max_step, w, <const floating*>segment.gradients, <floating*>segment.slots[0],
            <floating*>segment.slots[1],
        )
