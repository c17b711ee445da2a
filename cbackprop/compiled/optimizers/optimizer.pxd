"""The base of compiled optimizers. Rules are derived from `Optimizer32` for float32, from `Optimizer64` for float64."""

from cython cimport floating
from libc.stdint cimport uint64_t

from cbackprop.compiled.engine.failure cimport Failure
from cbackprop.compiled.optimizers.schedules cimport Schedule

cdef enum:
    MAX_SLOTS = 6


cdef struct Segment:
    Py_ssize_t size
    void* values                # (size,) IN and OUT
    void* gradients             # (size,) IN, may be destroyed
    # The slots: first those of the rule, then those of the base class, see `Optimizer`.
    # Each (size,) IN and OUT, unless the rule works on whole variables; NULL if the rule needs none for this variable.
    void* slots[MAX_SLOTS]
    double decay                # of the weights; 0: none
    # For rules that work on whole variables: the last two axes (0 if there are fewer), and memory of
    # `Optimizer.scratch_size` elements.
    Py_ssize_t rows, columns
    void* scratch


cdef double squared_norm(Py_ssize_t n, const floating* x) noexcept nogil
cdef void scale(Py_ssize_t n, floating factor, floating* x) noexcept nogil
cdef void step_along(Py_ssize_t n, floating rate, floating* w, const floating* direction) noexcept nogil


cdef class Optimizer:
    cdef readonly Py_ssize_t n_slots
    cdef readonly bint whole                # `update` needs whole variables
    cdef public bint blas                   # matrix products are BLAS's, whose module has been imported
    cdef readonly Py_ssize_t n_memories     # slots of the rule and of the base class
    cdef readonly str dtype                 # None: it changes no weights, of any float type
    cdef bint use_average
    cdef double clipnorm, clipvalue, global_clipnorm, ema_momentum      # 0: none
    cdef uint64_t overwrite_frequency, accumulation_steps               # 0: none
    cdef object spec
    cdef Schedule schedule                  # None: the rate is constant
    # Of the current batch
    cdef double learning_rate
    cdef double average_momentum
    cdef bint updates, overwrites

    cdef void begin_batch(self, uint64_t batches, Failure* failure) noexcept nogil
    cdef void find_rate(self, uint64_t batches, Failure* failure) noexcept nogil
    cdef void begin(self, double learning_rate, uint64_t iteration) noexcept nogil
    cdef void update(self, const Segment* segment) noexcept nogil
    cdef Py_ssize_t slot_size(self, const Segment* segment, Py_ssize_t k) noexcept nogil
    cdef bint can_lack(self, const Segment* segment, Py_ssize_t k) noexcept nogil
    cdef Py_ssize_t scratch_size(self, const Segment* segment) noexcept nogil

    cdef void step(self, Segment* segments, Py_ssize_t n_segments) noexcept nogil
    cdef void step_part(self, const Segment* segment) noexcept nogil
    cdef void finish_part(self, const Segment* segment) noexcept nogil
    cdef bint limits_norms(self) noexcept nogil
    cdef void accumulate(self, const Segment* segment) noexcept nogil
    cdef void limit_all_norms(self, Segment* segments, Py_ssize_t n_segments) noexcept nogil
    cdef double squared_norm(self, const Segment* segment) noexcept nogil
    cdef void limit_norm(self, const Segment* segment, double norm, double limit) noexcept nogil
    cdef void decay(self, const Segment* segment, double rate) noexcept nogil
    cdef void limit_values(self, const Segment* segment) noexcept nogil
    cdef void average(self, const Segment* segment) noexcept nogil


cdef class Optimizer32(Optimizer):
    pass


cdef class Optimizer64(Optimizer):
    pass


cdef class SegmentList:
    cdef Segment* items
    cdef readonly Py_ssize_t size
    cdef readonly Py_ssize_t elements   # in all segments
    cdef Py_ssize_t* starts             # (size + 1,): elements in front of each
    cdef Py_ssize_t itemsize
    cdef list owners

    cdef void* slot(self, Optimizer optimizer, const Segment* segment, Py_ssize_t k, array, dtype) except? NULL
    cdef Segment part(self, Py_ssize_t i, Py_ssize_t begin, Py_ssize_t end) noexcept nogil
    cdef Py_ssize_t owner(self, Py_ssize_t i, Py_ssize_t threads) noexcept nogil
