"""What all optimizers share: rates, accumulation, clipping, weight decay, averages, and the order of it all."""

import numpy as np

from cython cimport floating
from libc.math cimport INFINITY, sqrt
from libc.stdlib cimport calloc, free

from cbackprop.compiled.engine.failure cimport Failure, fail, take_failure
from cbackprop.compiled.kernels.memory cimport address


cdef double squared_norm(Py_ssize_t n, const floating* x) noexcept nogil:
    """Sum of x_i^2, in double precision; in parts, because each addition waits for the one before."""
    cdef double parts[8]
    cdef double total = 0
    cdef Py_ssize_t i, k
    for k in range(8):
        parts[k] = 0
    for i in range(0, n - 7, 8):
        for k in range(8):
            parts[k] += <double>x[i + k] * x[i + k]
    for i in range(n - n % 8, n):
        total += <double>x[i] * x[i]
    for k in range(8):
        total += parts[k]
    return total


cdef void step_along(Py_ssize_t n, floating rate, floating* w, const floating* direction) noexcept nogil:
    """w -= rate direction."""
    cdef Py_ssize_t i
    for i in range(n):
        w[i] -= rate * direction[i]


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


cdef void add(Py_ssize_t n, const floating* g, floating* total) noexcept nogil:
    """total += g."""
    cdef Py_ssize_t i
    for i in range(n):
        total[i] += g[i]


cdef void mean_of_all(Py_ssize_t n, floating steps, floating* g, floating* total) noexcept nogil:
    """g = (g + total) / steps; total = 0."""
    cdef Py_ssize_t i
    for i in range(n):
        g[i] = (g[i] + total[i]) / steps
        total[i] = 0


cdef void move_average(Py_ssize_t n, floating momentum, const floating* w, floating* average) noexcept nogil:
    """average = momentum average + (1 - momentum) w."""
    cdef Py_ssize_t i
    cdef floating rest = 1 - momentum
    for i in range(n):
        average[i] = momentum * average[i] + rest * w[i]


cdef void move_and_take_average(Py_ssize_t n, floating momentum, floating* w, floating* average) noexcept nogil:
    """As `move_average`; then w = average."""
    cdef Py_ssize_t i
    cdef floating rest = 1 - momentum
    for i in range(n):
        average[i] = momentum * average[i] + rest * w[i]
        w[i] = average[i]


cdef class Optimizer:
    """One batch over segments of flat vectors: accumulate and clip gradients, decay weights, update, average.

    Subclasses set `n_slots` (and `whole`), and override `update`, and `begin` where numbers change from step to step.
    Behind the slots of the rule, a segment has one for the moving average of the weights, if there is to be one, and
    one for the sum of gradients, if they are accumulated.

    Parameters
    ----------
    spec : cbackprop.optimizers.Optimizer
        What the user wrote.
    is_double : bool
    """

    def __init__(self, spec, bint is_double):
        self.spec = spec
        self.is_double = is_double
        self.clipnorm = spec.clipnorm or 0
        self.clipvalue = spec.clipvalue or 0
        self.global_clipnorm = spec.global_clipnorm or 0
        self.use_average = spec.use_ema
        self.ema_momentum = spec.ema_momentum
        self.overwrite_frequency = spec.ema_overwrite_frequency or 0
        self.accumulation_steps = spec.gradient_accumulation_steps or 0
        self.n_memories = len(spec.memory_names)
        self.read_rate()

    def read_rate(self):
        """Take over the learning rate, or its schedule, as it is set now."""
        self.schedule = self.spec.compiled_schedule()
        self.learning_rate = 0 if self.schedule is not None else self.spec.rate_at(0)

    cdef void begin_batch(self, uint64_t batches, Failure* failure) noexcept nogil:
        """Prepare the batch after so many; with a failure, if there is no learning rate for it."""
        cdef uint64_t steps = max(self.accumulation_steps, <uint64_t>1)
        self.find_rate(batches, failure)
        self.updates = (batches + 1) % steps == 0
        self.average_momentum = self.ema_momentum if batches // steps else 0
        self.overwrites = self.overwrite_frequency and (batches // steps + 1) % self.overwrite_frequency == 0
        if self.updates:
            self.begin(self.learning_rate, batches // steps + 1)

    cdef void find_rate(self, uint64_t batches, Failure* failure) noexcept nogil:
        """Ask the schedule, if there is one."""
        if self.schedule is None:
            return
        self.learning_rate = self.schedule.rate(batches, failure)
        if not 0 <= self.learning_rate < INFINITY:
            with gil:
                fail(failure, self.spec.bad_rate(batches, self.learning_rate))

    cdef void begin(self, double learning_rate, uint64_t iteration) noexcept nogil:
        """Prepare the update number `iteration`, counted from 1."""
        pass

    cdef void update(self, const Segment* segment) noexcept nogil:
        pass

    cdef Py_ssize_t slot_size(self, const Segment* segment, Py_ssize_t k) noexcept nogil:
        """Elements that slot `k` of the rule has."""
        return segment.size

    cdef bint can_lack(self, const Segment* segment, Py_ssize_t k) noexcept nogil:
        """Whether the rule can do without slot `k`."""
        return False

    cdef Py_ssize_t scratch_size(self, const Segment* segment) noexcept nogil:
        """Elements of memory that `update` may use for a whole variable."""
        return 0

    cdef bint limits_norms(self) noexcept nogil:
        """Whether a step needs norms of whole gradients, so that its parts cannot be taken by themselves."""
        return self.updates and (self.clipnorm > 0 or self.global_clipnorm > 0)

    cdef void step(self, Segment* segments, Py_ssize_t n_segments) noexcept nogil:
        """All of a step, after `begin_batch`."""
        cdef Py_ssize_t i
        for i in range(n_segments):
            self.accumulate(&segments[i])
        if self.limits_norms():
            self.limit_all_norms(segments, n_segments)
        for i in range(n_segments):
            self.finish_part(&segments[i])

    cdef void step_part(self, const Segment* segment) noexcept nogil:
        """A part of a step that limits no norms, after `begin_batch`."""
        self.accumulate(segment)
        self.finish_part(segment)

    cdef void finish_part(self, const Segment* segment) noexcept nogil:
        """What treats every parameter (or variable) by itself, once gradients are complete."""
        if self.updates:
            if self.clipvalue > 0:
                self.limit_values(segment)
            if segment.decay > 0:
                self.decay(segment, segment.decay * self.learning_rate)
            self.update(segment)
        if self.use_average:
            self.average(segment)

    cdef void accumulate(self, const Segment* segment) noexcept nogil:
        """Add the gradient to those of earlier batches, or the other way round where that completes them."""
        cdef void* total
        if self.accumulation_steps == 0:
            return
        total = segment.slots[self.n_memories - 1]
        if self.is_double:
            if self.updates:
                mean_of_all(
                    segment.size, <double>self.accumulation_steps, <double*>segment.gradients, <double*>total
                )
            else:
                add(segment.size, <const double*>segment.gradients, <double*>total)
        elif self.updates:
            mean_of_all(segment.size, <float>self.accumulation_steps, <float*>segment.gradients, <float*>total)
        else:
            add(segment.size, <const float*>segment.gradients, <float*>total)

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

    cdef void average(self, const Segment* segment) noexcept nogil:
        """Move the average towards the weights, and where it is time for that, the weights onto it."""
        cdef void* average = segment.slots[self.n_slots]
        cdef double momentum = self.average_momentum
        if self.is_double:
            if self.overwrites:
                move_and_take_average(segment.size, momentum, <double*>segment.values, <double*>average)
            else:
                move_average(segment.size, momentum, <const double*>segment.values, <double*>average)
        elif self.overwrites:
            move_and_take_average(segment.size, <float>momentum, <float*>segment.values, <float*>average)
        else:
            move_average(segment.size, <float>momentum, <const float*>segment.values, <float*>average)

    def apply(self, uint64_t batches, SegmentList segments):
        """The step after so many batches. An error of the learning rate is raised before anything changes."""
        cdef Failure failure
        failure.error = NULL
        self.read_rate()
        with nogil:
            self.begin_batch(batches, &failure)
            if failure.error == NULL:
                self.step(segments.items, segments.size)
        error = take_failure(&failure)
        if error is not None:
            raise error


cdef class SegmentList:
    """Segments as C structs; it keeps the memory alive.

    Parameters
    ----------
    optimizer : Optimizer
    segments : list of cbackprop.contract.segment.Segment
        Contiguous arrays of the optimizer's float type. Those of an optimizer that works on whole variables have their
        shapes, and may lack slots.
    """

    def __cinit__(self, Optimizer optimizer, list segments):
        cdef Py_ssize_t i, k
        cdef Segment* item
        self.size = len(segments)
        self.itemsize = 8 if optimizer.is_double else 4
        self.owners = [segments]
        self.items = <Segment*>calloc(self.size + 1, sizeof(Segment))
        self.starts = <Py_ssize_t*>calloc(self.size + 1, sizeof(Py_ssize_t))
        if self.items == NULL or self.starts == NULL:
            raise MemoryError()
        dtype = np.dtype("float64" if optimizer.is_double else "float32")
        needed = optimizer.n_slots + optimizer.use_average + (optimizer.accumulation_steps > 0)
        if optimizer.n_memories != needed:
            raise ValueError(
                f"{type(optimizer.spec).__name__} must keep {needed} numbers of each weight ({optimizer.n_slots} slots "
                f"of its rule, an average with use_ema, a sum of gradients that are accumulated), but its slot_names "
                f"and memory_names are {optimizer.spec.slot_names} and {optimizer.spec.memory_names}."
            )
        for i, segment in enumerate(segments):
            item = &self.items[i]
            item.size = segment.values.size
            if segment.values.ndim > 1:
                item.rows, item.columns = segment.values.shape[-2], segment.values.shape[-1]
            item.decay = segment.decay
            item.values = address(segment.values, dtype, item.size)
            item.gradients = address(segment.gradients, dtype, item.size)
            if len(segment.slots) != optimizer.n_memories or optimizer.n_memories > MAX_SLOTS:
                raise ValueError(f"The optimizer has {optimizer.n_memories} slots, but got {len(segment.slots)}.")
            for k in range(optimizer.n_memories):
                item.slots[k] = self.slot(optimizer, item, k, segment.slots[k], dtype)
            scratch = np.zeros(optimizer.scratch_size(item) + 64, dtype)
            self.owners.append(scratch)
            item.scratch = address(scratch, dtype, scratch.size)
            self.elements += item.size
            self.starts[i + 1] = self.elements

    cdef void* slot(self, Optimizer optimizer, const Segment* segment, Py_ssize_t k, array, dtype) except? NULL:
        """Where a slot is; NULL if the rule can do without it."""
        if array is None and k < optimizer.n_slots and optimizer.can_lack(segment, k):
            return NULL
        if array is None:
            raise ValueError(f"Slot {k} is missing.")
        return address(array, dtype, optimizer.slot_size(segment, k) if k < optimizer.n_slots else segment.size)

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

    cdef Py_ssize_t owner(self, Py_ssize_t i, Py_ssize_t threads) noexcept nogil:
        """The thread that takes segment i as a whole: the one in whose share of all elements its middle is."""
        return (self.starts[i] + self.starts[i + 1]) // 2 * threads // self.elements

    def __dealloc__(self):
        free(self.items)
        free(self.starts)
