"""The base of compiled learning rate schedules. Other packages may `cimport` it to add their own."""

from libc.stdint cimport uint64_t

from cbackprop.compiled.engine.failure cimport Failure


cdef class Schedule:
    cdef double rate(self, uint64_t step, Failure* failure) noexcept nogil
