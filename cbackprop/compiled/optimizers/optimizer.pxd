"""The base of compiled optimizers. Other packages may `cimport` it to add their own."""

from libc.stdint cimport uint64_t

cdef enum:
    MAX_SLOTS = 4


cdef struct Segment:
    Py_ssize_t size
    void* values                # (size,) IN and OUT
    void* gradients             # (size,) IN, may be destroyed
    void* slots[MAX_SLOTS]      # each (size,) IN and OUT: what the optimizer remembers of each parameter
    bint decay                  # weight decay applies


cdef class Optimizer:
    cdef readonly Py_ssize_t n_slots
    cdef bint is_double
    cdef double squared_norm(self, const Segment* segment) noexcept nogil
    cdef void limit_norm(self, const Segment* segment, double norm, double limit) noexcept nogil
    cdef void decay(self, const Segment* segment, double rate) noexcept nogil
    cdef void limit_values(self, const Segment* segment) noexcept nogil
    cdef double weight_decay, clipnorm, clipvalue, global_clipnorm      # 0: none

    cdef void step(
        self, double learning_rate, uint64_t iteration, Segment* segments, Py_ssize_t n_segments
    ) noexcept nogil
    cdef bint limits_norms(self) noexcept nogil
    cdef void limit_all_norms(self, Segment* segments, Py_ssize_t n_segments) noexcept nogil
    cdef void step_part(self, double learning_rate, const Segment* segment) noexcept nogil
    cdef void begin(self, double learning_rate, uint64_t iteration) noexcept nogil
    cdef void update(self, const Segment* segment) noexcept nogil


cdef class SegmentList:
    cdef Segment* items
    cdef readonly Py_ssize_t size
    cdef readonly Py_ssize_t elements   # in all segments
    cdef Py_ssize_t itemsize
    cdef object owners

    cdef Segment part(self, Py_ssize_t i, Py_ssize_t begin, Py_ssize_t end) noexcept nogil
