"""One run of the engine: its threads, checks for signals now and then, and the first exception."""

from libc.stdint cimport int32_t

from cbackprop.compiled.engine.failure cimport Failure
from cbackprop.compiled.engine.team cimport Team, Work


cdef class Run:
    cdef Team team
    cdef readonly bint busy             # a run is going on; signal handlers or finalizers may call the engine meanwhile
    cdef unsigned long caller           # the thread that called the run
    cdef Failure failure                # the first exception of Python code inside a step
    cdef int32_t halt                   # thread 0 to all: stop after this batch
    cdef object tick, error
    cdef double last_tick

    cdef begin(self)
    cdef check_idle(self)
    cdef work(self, Work work, void* worker, Py_ssize_t threads, tick)
    cdef void look_up(self, Py_ssize_t done) noexcept nogil
    cdef void tell(self, Py_ssize_t done) noexcept with gil
