"""Stochastic gradient descent, plain, with momentum, or with Nesterov's momentum."""

from cython cimport floating
from libc.stdint cimport uint64_t

from cbackprop.compiled.optimizers.optimizer cimport Optimizer, Segment


cdef void sgd(Py_ssize_t n, floating rate, floating* w, const floating* g) noexcept nogil:
    """w = w - rate g."""
    cdef Py_ssize_t i
    for i in range(n):
        w[i] -= rate * g[i]


cdef void sgd_momentum(
    Py_ssize_t n, floating rate, floating momentum, floating* w, const floating* g, floating* v
) noexcept nogil:
    """v = momentum v - rate g; w = w + v."""
    cdef Py_ssize_t i
    for i in range(n):
        v[i] = momentum * v[i] - rate * g[i]
        w[i] += v[i]


cdef void sgd_nesterov(
    Py_ssize_t n, floating rate, floating momentum, floating* w, const floating* g, floating* v
) noexcept nogil:
    """v = momentum v - rate g; w = w + momentum v - rate g."""
    cdef Py_ssize_t i
    for i in range(n):
        v[i] = momentum * v[i] - rate * g[i]
        w[i] += momentum * v[i] - rate * g[i]


cdef class SGD(Optimizer):
    cdef double momentum
    cdef bint nesterov
    cdef double rate

    def __init__(self, spec, bint is_double):
        super().__init__(spec, is_double)
        self.momentum = spec.momentum
        self.nesterov = spec.nesterov
        self.n_slots = 1 if self.momentum > 0 else 0

    cdef void begin(self, double learning_rate, uint64_t iteration) noexcept nogil:
        self.rate = learning_rate

    cdef void update(self, const Segment* segment) noexcept nogil:
        if self.is_double:
            self.run(segment, <double*>segment.values)
        else:
            self.run(segment, <float*>segment.values)

    cdef void run(self, const Segment* segment, floating* w) noexcept nogil:
        cdef const floating* g = <const floating*>segment.gradients
        cdef floating* v = <floating*>segment.slots[0]
        cdef floating rate = <floating>self.rate, momentum = <floating>self.momentum
        if self.n_slots == 0:
            sgd(segment.size, rate, w, g)
        elif self.nesterov:
            sgd_nesterov(segment.size, rate, momentum, w, g, v)
        else:
            sgd_momentum(segment.size, rate, momentum, w, g, v)
