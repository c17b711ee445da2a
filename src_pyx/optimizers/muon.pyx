"""Muon: momentum made orthogonal, for matrices; Adam for all other variables."""

from cython cimport floating
from libc.math cimport pow, sqrt
from libc.stdint cimport uint64_t

from cbackprop.compiled.kernels.matrix cimport WORKSPACE_BYTES, multiply
from cbackprop.compiled.optimizers.adam cimport adam
from cbackprop.compiled.optimizers.optimizer cimport Optimizer, Segment, scale, squared_norm, step_along


cdef void push(
    Py_ssize_t n, floating momentum, bint nesterov, floating* g, floating* m
) noexcept nogil:
    """m = momentum m + g; g = m, or with Nesterov's g + momentum m."""
    cdef Py_ssize_t i
    for i in range(n):
        m[i] = momentum * m[i] + g[i]
        g[i] = g[i] + momentum * m[i] if nesterov else m[i]


cdef void combine(Py_ssize_t n, floating p, const floating* x, floating q, floating* y) noexcept nogil:
    """y = p x + q y."""
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = p * x[i] + q * y[i]


cdef void orthogonalise(
    Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t steps, floating a, floating b, floating c,
    floating* x,            # (rows, columns) IN and OUT
    floating* y,            # (rows, columns), destroyed
    floating* square,       # (shorter, shorter), destroyed
    floating* polynomial,   # (shorter, shorter), destroyed
    void* workspace, bint blas,
) noexcept nogil:
    """Newton-Schulz steps X = a X + (b S + c S^2) X with S = X X^T, which move all singular values towards 1.

    X is x, or the transpose of x if that has fewer rows.
    """
    cdef bint lies = rows <= columns
    cdef Py_ssize_t m = min(rows, columns), n = max(rows, columns)
    cdef Py_ssize_t row = columns if lies else 1, column = 1 if lies else columns, _
    scale(rows * columns, <floating>(1 / (sqrt(squared_norm(rows * columns, x)) + 1e-7)), x)
    for _ in range(steps):
        multiply(m, m, n, x, row, column, x, column, row, False, NULL, False, square, m, 1, workspace, m * blas)
        multiply(m, m, m, square, m, 1, square, m, 1, False, NULL, False, polynomial, m, 1, workspace, m * blas)
        combine(m * m, b, square, c, polynomial)
        multiply(m, n, m, polynomial, m, 1, x, row, column, False, NULL, False, y, row, column, workspace, m * blas)
        combine(rows * columns, 1, y, a, x)


cdef class Muon(Optimizer):
    """Slots: momentum, and for variables that Adam updates, the mean of the squared gradient."""

    cdef double adam_beta_1, adam_beta_2, epsilon, adam_ratio, a, b, c, momentum, rms_rate
    cdef Py_ssize_t ns_steps
    cdef bint nesterov, adjusts
    cdef double rate, adam_rate

    def __init__(self, spec, bint is_double):
        super().__init__(spec, is_double)
        self.adam_beta_1, self.adam_beta_2, self.epsilon = spec.adam_beta_1, spec.adam_beta_2, spec.epsilon
        self.adam_ratio = spec.adam_lr_ratio
        self.a, self.b, self.c = spec.muon_a, spec.muon_b, spec.muon_c
        self.momentum, self.nesterov, self.ns_steps = spec.momentum, spec.nesterov, spec.ns_steps
        self.adjusts = spec.rms_rate is not None
        self.rms_rate = spec.rms_rate if self.adjusts else 1
        self.n_slots = 2
        self.whole = True

    cdef bint can_lack(self, const Segment* segment, Py_ssize_t k) noexcept nogil:
        return k == 1 and segment.rows > 0

    cdef Py_ssize_t scratch_size(self, const Segment* segment) noexcept nogil:
        cdef Py_ssize_t shorter = min(segment.rows, segment.columns)
        return segment.size + 2 * shorter * shorter + WORKSPACE_BYTES // 4 + 64 if segment.rows > 0 else 0

    cdef void begin(self, double learning_rate, uint64_t iteration) noexcept nogil:
        self.rate = learning_rate
        self.adam_rate = (
            learning_rate * self.adam_ratio * sqrt(1 - pow(self.adam_beta_2, <double>iteration))
            / (1 - pow(self.adam_beta_1, <double>iteration))
        )

    cdef void update(self, const Segment* segment) noexcept nogil:
        if self.is_double:
            self.run(segment, <double*>segment.values)
        else:
            self.run(segment, <float*>segment.values)

    cdef void run(self, const Segment* segment, floating* w) noexcept nogil:
        cdef floating* g = <floating*>segment.gradients
        cdef floating* m = <floating*>segment.slots[0]
        if segment.slots[1] != NULL:
            adam(
                segment.size, <floating>self.adam_rate, <floating>(1 - self.adam_beta_1),
                <floating>(1 - self.adam_beta_2), <floating>self.epsilon, w, g, m, <floating*>segment.slots[1],
            )
            return
        push(segment.size, <floating>self.momentum, self.nesterov, g, m)
        self.orthogonalise(segment, g)
        step_along(segment.size, <floating>(self.rate * self.adjustment(segment)), w, g)

    cdef double adjustment(self, const Segment* segment) noexcept nogil:
        """What makes steps as large as those of Adam, whatever the shape."""
        return sqrt(<double>max(segment.rows, segment.columns)) * self.rms_rate if self.adjusts else 1

    cdef void orthogonalise(self, const Segment* segment, floating* g) noexcept nogil:
        cdef Py_ssize_t shorter = min(segment.rows, segment.columns)
        cdef floating* y = <floating*>segment.scratch
        cdef floating* square = y + segment.size
        cdef floating* polynomial = square + shorter * shorter
        cdef size_t behind = <size_t>(polynomial + shorter * shorter)
        orthogonalise(
            segment.rows, segment.columns, self.ns_steps, <floating>self.a, <floating>self.b, <floating>self.c,
            g, y, square, polynomial, <void*>((behind + 63) & ~<size_t>63), self.blas,
        )
