"""Adafactor: the squared gradients of a matrix by the means of its rows and columns."""

from cython cimport floating
from libc.math cimport pow as pow_double, sqrt as sqrt_double
from libc.stdint cimport uint64_t

from cbackprop.compiled.kernels.elementary cimport sqrt
from cbackprop.compiled.optimizers.optimizer cimport Optimizer, Segment, squared_norm, step_along


cdef void track_means(
    Py_ssize_t rows, Py_ssize_t columns, floating rest, floating epsilon,
    const floating* g,          # (rows, columns) IN
    floating* r,                # (rows,) IN and OUT
    floating* c,                # (columns,) IN and OUT
    floating* sums,             # (columns,), destroyed
) noexcept nogil:
    """r += rest (mean over columns of g^2 + epsilon, - r); likewise c, over rows."""
    cdef Py_ssize_t i, j
    cdef const floating* row
    cdef double mean
    for j in range(columns):
        sums[j] = 0
    for i in range(rows):
        row = g + i * columns
        for j in range(columns):
            sums[j] += row[j] * row[j] + epsilon
        mean = squared_norm(columns, row) / columns + epsilon
        r[i] += rest * (<floating>mean - r[i])
    for j in range(columns):
        c[j] += rest * (sums[j] / rows - c[j])


cdef void divide_factored(
    Py_ssize_t rows, Py_ssize_t columns, floating* g, const floating* r, const floating* c
) noexcept nogil:
    """g = g / sqrt(r c / mean(r)), an outer product."""
    cdef Py_ssize_t i, j
    cdef double mean = 0
    cdef floating factor
    cdef floating* row
    for i in range(rows):
        mean += r[i]
    mean /= rows
    for i in range(rows):
        row = g + i * columns
        factor = <floating>(r[i] / mean)
        for j in range(columns):
            row[j] /= sqrt(factor * c[j])


cdef void divide_full(Py_ssize_t n, floating rest, floating epsilon, floating* g, floating* v) noexcept nogil:
    """v += rest (g^2 + epsilon - v); g = g / sqrt(v)."""
    cdef Py_ssize_t i
    for i in range(n):
        v[i] += rest * (g[i] * g[i] + epsilon - v[i])
        g[i] /= sqrt(v[i])


cdef class Adafactor(Optimizer):
    """Slots: means of rows, means of columns; or for variables of fewer than two axes, of each element."""

    cdef double beta_2_decay, epsilon_1, epsilon_2, clip_threshold
    cdef double rate, rest

    def __init__(self, spec, bint is_double):
        super().__init__(spec, is_double)
        self.beta_2_decay, self.clip_threshold = spec.beta_2_decay, spec.clip_threshold
        self.epsilon_1, self.epsilon_2 = spec.epsilon_1, spec.epsilon_2
        self.n_slots = 3
        self.whole = True

    cdef Py_ssize_t slot_size(self, const Segment* segment, Py_ssize_t k) noexcept nogil:
        if segment.rows == 0 or k == 2:
            return segment.size
        return segment.size // (segment.columns if k == 0 else segment.rows)

    cdef bint can_lack(self, const Segment* segment, Py_ssize_t k) noexcept nogil:
        return (segment.rows > 0) == (k == 2)

    cdef Py_ssize_t scratch_size(self, const Segment* segment) noexcept nogil:
        return segment.columns

    cdef void begin(self, double learning_rate, uint64_t iteration) noexcept nogil:
        self.rate = min(learning_rate, 1 / sqrt_double(<double>iteration))
        self.rest = pow_double(<double>iteration, self.beta_2_decay)

    cdef void update(self, const Segment* segment) noexcept nogil:
        if self.is_double:
            self.run(segment, <double*>segment.values)
        else:
            self.run(segment, <float*>segment.values)

    cdef void run(self, const Segment* segment, floating* w) noexcept nogil:
        cdef Py_ssize_t n = segment.size
        cdef floating* g = <floating*>segment.gradients
        cdef double weights = sqrt_double(squared_norm(n, w) / n), direction
        cdef double rate = max(self.epsilon_2, weights) * self.rate
        if segment.rows > 0:
            self.factor(segment, g)
        else:
            divide_full(n, <floating>self.rest, <floating>self.epsilon_1, g, <floating*>segment.slots[2])
        direction = sqrt_double(squared_norm(n, g) / n)
        step_along(n, <floating>(rate / max(1., direction / self.clip_threshold)), w, g)

    cdef void factor(self, const Segment* segment, floating* g) noexcept nogil:
        """Each of the matrices that a variable of more than two axes is made of by itself."""
        cdef Py_ssize_t rows = segment.rows, columns = segment.columns, _
        cdef floating* r = <floating*>segment.slots[0]
        cdef floating* c = <floating*>segment.slots[1]
        for _ in range(segment.size // (rows * columns)):
            track_means(
                rows, columns, <floating>self.rest, <floating>self.epsilon_1, g, r, c, <floating*>segment.scratch
            )
            divide_factored(rows, columns, g, r, c)
            g, r, c = g + rows * columns, r + rows, c + columns
