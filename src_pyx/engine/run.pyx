"""One run of the engine: its threads, checks for signals now and then, and the first exception."""

from cpython.exc cimport PyErr_CheckSignals
from cpython.pythread cimport PyThread_get_thread_ident
from libc.stdint cimport int32_t

from cbackprop.compiled.engine.clock cimport now
from cbackprop.compiled.engine.failure cimport take_failure
from cbackprop.compiled.engine.team cimport Team, Work

cdef extern from "atomics.h" nogil:
    int32_t ATOMIC_SWAP(int32_t* p, int32_t n)

# Seconds between two checks for signals (and updates of the progress display).
cdef double TICK = 0.05


cdef class Run:
    """The part that training, testing and predicting share."""

    def __cinit__(self):
        self.team = Team()

    def __dealloc__(self):
        take_failure(&self.failure)

    cdef begin(self):
        """Begin a run. Its memory is in use until `busy` is unset."""
        self.busy = True
        self.caller = PyThread_get_thread_ident()

    cdef check_idle(self):
        """Raise if a run of this engine, further up the call stack, is using the memory."""
        if self.busy:
            raise RuntimeError("The model is in the middle of a batch: its own code cannot use it now.")

    cdef work(self, Work work, void* worker, Py_ssize_t threads, tick):
        """Run `work` of a worker in this thread and helpers, and raise the exception that one of them had."""
        self.halt = False
        self.error = None
        self.tick = tick
        self.last_tick = now()
        self.begin()
        try:
            self.team.start(threads, work, worker)
            with nogil:
                work(worker, 0)
                self.team.finish()
        finally:
            self.busy = False
            self.tick = None
        failure = take_failure(&self.failure)
        error, self.error = self.error, None
        if failure is not None:
            raise failure
        if error is not None:
            raise error

    def keep_team(self, bint kept):
        """Choose whether threads wait for the next run when a run ends, or end with it."""
        self.check_idle()
        self.team.kept = kept
        if not kept and self.team.engaged > 1:
            with nogil:
                self.team.dismiss()

    def forget_team(self):
        """Call this in a child process after a fork, where only the forking thread and its own run exist."""
        self.team.forget()
        if self.caller != PyThread_get_thread_ident():
            self.busy = False

    cdef void look_up(self, Py_ssize_t done) noexcept nogil:
        """Now and then, take the GIL to handle signals and update the display. An exception in them ends the run."""
        cdef double time = now()
        if time - self.last_tick >= TICK:
            self.tell(done)
            self.last_tick = now()

    cdef void tell(self, Py_ssize_t done) noexcept with gil:
        """A part of `look_up`, apart from it because a function with a ``with gil`` block always takes the GIL."""
        try:
            PyErr_CheckSignals()
            if self.tick is not None:
                self.tick(done)
        except BaseException as error:
            self.error = error
            ATOMIC_SWAP(&self.halt, True)
