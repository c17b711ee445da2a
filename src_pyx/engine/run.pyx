"""One call of the user's at a time: its threads, a look at signals now and then, and what went wrong."""

from cpython.exc cimport PyErr_CheckSignals
from cpython.pythread cimport PyThread_get_thread_ident

from cbackprop.compiled.engine.clock cimport now
from cbackprop.compiled.engine.failure cimport take_failure
from cbackprop.compiled.engine.team cimport Team, Work

# Seconds between two looks at pending signals (and at the progress display).
cdef double TICK = 0.05


cdef class Run:
    """The part that training, testing and predicting share."""

    def __cinit__(self):
        self.team = Team()

    def __dealloc__(self):
        take_failure(&self.failure)

    cdef begin(self):
        """Begin a run: memory is in use until `busy` is unset."""
        self.busy = True
        self.caller = PyThread_get_thread_ident()

    cdef check_idle(self):
        """Refuse to touch memory that a run of this engine, further up the stack, is using."""
        if self.busy:
            raise RuntimeError("The model is in the middle of a batch: its own code cannot use it now.")

    cdef work(self, Work work, void* worker, Py_ssize_t threads, tick):
        """Run `work` of a worker in threads, this one among them, and raise what went wrong meanwhile."""
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
        """Have threads wait for the next run when one ends, until told otherwise."""
        self.check_idle()
        self.team.kept = kept
        if not kept and self.team.engaged > 1:
            with nogil:
                self.team.dismiss()

    def forget_team(self):
        """In a child process: threads stayed behind in the parent, and so did a run unless it is this thread's."""
        self.team.forget()
        if self.caller != PyThread_get_thread_ident():
            self.busy = False

    cdef void look_up(self, Py_ssize_t done) noexcept nogil:
        """Now and then, with the GIL: signals and the display. What they raise ends the run."""
        cdef double time = now()
        if time - self.last_tick >= TICK:
            self.tell(done)
            self.last_tick = now()

    cdef void tell(self, Py_ssize_t done) noexcept with gil:
        """Part of `look_up`. A function with a ``with gil`` block takes the GIL when it ends, even if it went by it."""
        try:
            PyErr_CheckSignals()
            if self.tick is not None:
                self.tick(done)
        except BaseException as error:
            self.error = error
            self.halt = True
