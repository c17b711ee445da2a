"""One call of the user's at a time: its threads, a look at signals now and then, and what went wrong."""

from cbackprop.compiled.engine.failure cimport Failure
from cbackprop.compiled.engine.team cimport Team, Work


cdef class Run:
    cdef Team team
    cdef readonly bint busy             # inside a run: a signal handler or a finalizer may call us then
    cdef unsigned long caller           # the thread whose run that is
    cdef Failure failure                # what Python code inside of a step raised
    cdef bint halt                      # thread 0 to all: stop after this batch
    cdef object tick, error
    cdef double last_tick

    cdef begin(self)
    cdef check_idle(self)
    cdef work(self, Work work, void* worker, Py_ssize_t threads, tick)
    cdef void look_up(self, Py_ssize_t done) noexcept nogil
    cdef void tell(self, Py_ssize_t done) noexcept with gil
