"""What all optimizers share: clipping and weight decay, and the order of it all."""

from cython cimport floating
from libc.math cimport sqrt
from libc.stdlib cimport calloc, free

from cbackprop.compiled.kernels.memory cimport address


cdef double squared_norm(Py_ssize_t n, const floating* x) noexcept nogil:
    """Sum of x_i^2, in double precision."""
    cdef Py_ssize_t i
    cdef double total = 0
    for i in range(n):
        total += <double>x[i] * x[i]
    return total


cdef void scale(Py_ssize_t n, floating factor, floating* x) noexcept nogil:
    """x = factor x."""
    cdef Py_ssize_t i
    for i in range(n):
        x[i] *= factor


cdef void decay(Py_ssize_t n, floating rate, floating* w) noexcept nogil:
    """w = w - rate w."""
    cdef Py_ssize_t i
    for i in range(n):
        w[i] -= rate * w[i]


cdef void clip(Py_ssize_t n, floating limit, floating* x) noexcept nogil:
    """x = min(max(x, -limit), limit)."""
    cdef Py_ssize_t i
    for i in range(n):
        x[i] = min(max(x[i], -limit), limit)


cdef class Optimizer:
    """One step over segments of flat vectors: clip gradients, decay weights, update.

    Subclasses set `n_slots`, and override `update`, and `begin` where numbers change from step to step.

    Parameters
    ----------
    spec : cbackprop.optimizers.Optimizer
        What the user wrote.
    is_double : bool
    """

    def __init__(self, spec, bint is_double):
        self.is_double = is_double
        self.weight_decay = spec.weight_decay or 0
        self.clipnorm = spec.clipnorm or 0
        self.clipvalue = spec.clipvalue or 0
        self.global_clipnorm = spec.global_clipnorm or 0

    cdef void begin(self, double learning_rate, uint64_t iteration) noexcept nogil:
        """Prepare the step number `iteration`, counted from 1."""
        pass

    cdef void update(self, const Segment* segment) noexcept nogil:
        pass

    cdef bint limits_norms(self) noexcept nogil:
        """Whether a step needs norms of whole gradients, so that its parts cannot be taken by themselves."""
        return self.clipnorm > 0 or self.global_clipnorm > 0

    cdef void step(
        self, double learning_rate, uint64_t iteration, Segment* segments, Py_ssize_t n_segments
    ) noexcept nogil:
        cdef Py_ssize_t i
        self.begin(learning_rate, iteration)
        if self.limits_norms():
            self.limit_all_norms(segments, n_segments)
        for i in range(n_segments):
            self.step_part(learning_rate, &segments[i])

    cdef void step_part(self, double learning_rate, const Segment* segment) noexcept nogil:
        """The part of a step that treats every parameter by itself, after `begin`."""
        if self.clipvalue > 0:
            self.limit_values(segment)
        if self.weight_decay > 0 and segment.decay:
            self.decay(segment, self.weight_decay * learning_rate)
        self.update(segment)

    cdef void limit_all_norms(self, Segment* segments, Py_ssize_t n_segments) noexcept nogil:
        cdef Py_ssize_t i
        cdef double norm
        if self.global_clipnorm > 0:
            norm = 0
            for i in range(n_segments):
                norm += self.squared_norm(&segments[i])
            for i in range(n_segments):
                self.limit_norm(&segments[i], sqrt(norm), self.global_clipnorm)
        if self.clipnorm > 0:
            for i in range(n_segments):
                self.limit_norm(&segments[i], sqrt(self.squared_norm(&segments[i])), self.clipnorm)

    cdef double squared_norm(self, const Segment* segment) noexcept nogil:
        if self.is_double:
            return squared_norm(segment.size, <const double*>segment.gradients)
        return squared_norm(segment.size, <const float*>segment.gradients)

    cdef void limit_norm(self, const Segment* segment, double norm, double limit) noexcept nogil:
        if norm > limit:
            if self.is_double:
                scale(segment.size, limit / norm, <double*>segment.gradients)
            else:
                scale(segment.size, <float>(limit / norm), <float*>segment.gradients)

    cdef void decay(self, const Segment* segment, double rate) noexcept nogil:
        if self.is_double:
            decay(segment.size, rate, <double*>segment.values)
        else:
            decay(segment.size, <float>rate, <float*>segment.values)

    cdef void limit_values(self, const Segment* segment) noexcept nogil:
        if self.is_double:
            clip(segment.size, self.clipvalue, <double*>segment.gradients)
        else:
            clip(segment.size, <float>self.clipvalue, <float*>segment.gradients)

    def apply(self, double learning_rate, uint64_t iteration, SegmentList segments):
        """One step on flat vectors."""
        with nogil:
            self.step(learning_rate, iteration, segments.items, segments.size)


cdef class SegmentList:
    """Segments of flat vectors as C structs; it keeps the vectors alive.

    Parameters
    ----------
    optimizer : Optimizer
    values, gradients : one-dimensional arrays of one size, of the optimizer's float type
    slots : list of such arrays
        As many as the optimizer has slots.
    segments : list of (begin, end, decay)
    """

    def __cinit__(self, Optimizer optimizer, values, gradients, list slots, list segments):
        cdef Py_ssize_t begin, end, i, k
        dtype = "float64" if optimizer.is_double else "float32"
        if len(slots) != optimizer.n_slots:
            raise ValueError(f"The optimizer has {optimizer.n_slots} slots, but got {len(slots)}.")
        self.owners = (values, gradients, slots)
        self.itemsize = 8 if optimizer.is_double else 4
        self.size = len(segments)
        self.items = <Segment*>calloc(self.size + 1, sizeof(Segment))
        if self.items == NULL:
            raise MemoryError()
        for i, (begin, end, decay) in enumerate(segments):
            if not 0 <= begin < end:
                raise ValueError("A segment ends before it begins.")
            self.items[i].size = end - begin
            self.elements += end - begin
            self.items[i].values = address(values[begin:], dtype, end - begin)
            self.items[i].gradients = address(gradients[begin:], dtype, end - begin)
            self.items[i].decay = decay
            for k in range(optimizer.n_slots):
                self.items[i].slots[k] = address(slots[k][begin:], dtype, end - begin)

    cdef Segment part(self, Py_ssize_t i, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
        """The elements begin:end of segment i."""
        cdef Segment part = self.items[i]
        cdef Py_ssize_t k
        part.size = end - begin
        part.values = <char*>part.values + begin * self.itemsize
        part.gradients = <char*>part.gradients + begin * self.itemsize
        for k in range(MAX_SLOTS):
            if part.slots[k] != NULL:
                part.slots[k] = <char*>part.slots[k] + begin * self.itemsize
        return part

    def __dealloc__(self):
        free(self.items)
