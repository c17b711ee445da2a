"""Threads that live for one call of the user's, meet at a barrier, and never hold the GIL.

Starting one takes some 20 us. When two threads meet on two free processors, the last one waits 0.2 us. A thread that
has to wait much longer, because processors are busy, sleeps.
"""

from libc.stdint cimport int32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

cdef extern from "pythread.h":
    # Declared here because Cython's own declaration expects a function that may raise.
    unsigned long PyThread_start_new_thread(void (*function)(void*) noexcept nogil, void* argument)
    unsigned long PYTHREAD_INVALID_THREAD_ID

cdef extern from "team.h" nogil:
    ctypedef struct Barrier:
        int32_t calls
        int32_t running
        int32_t taken
        int32_t turn
    int32_t ATOMIC_ADD(int32_t* p, int32_t n)
    void barrier_wait(Barrier* barrier, int32_t number)
    void call_helpers(Barrier* barrier, int32_t size, int32_t fresh)
    int32_t await_call(Barrier* barrier, int32_t number, int32_t seen)
    int32_t await_turn(Barrier* barrier, int32_t number)
    void pass_turn(Barrier* barrier)
    void end_work(Barrier* barrier)
    void leave(Barrier* barrier)
    void await_work(Barrier* barrier)
    void await_end(Barrier* barrier)


cdef void help(void* team) noexcept nogil:
    """The main function of a helper: work whenever it is called, until it is dismissed."""
    cdef Barrier* barrier = <Barrier*>(<Team>team).barrier
    cdef int32_t number = ATOMIC_ADD(&(<Team>team).number, 1), call = 0
    while True:
        call = await_call(barrier, number, call)
        if (<Team>team).work == NULL:
            leave(barrier)
            return
        (<Team>team).work((<Team>team).argument, number)
        end_work(barrier)


cdef class Team:
    """A team that can work many times, one call at a time. Its owner keeps it alive meanwhile.

    Helpers end after each call, unless the team is kept for several calls. Then a call may use fewer threads than there
    are; the other helpers wait for the next call.
    """

    def __cinit__(self):
        self.size = self.engaged = 1
        self.barrier = calloc(1, sizeof(Barrier))
        if self.barrier == NULL:
            raise MemoryError()

    def __dealloc__(self):
        self.dismiss()
        free(self.barrier)

    cdef start(self, Py_ssize_t threads, Work work, void* argument):
        """Let `threads` - 1 helpers work, or as many as the system allows. The caller works as thread 0."""
        cdef Py_ssize_t fresh = 0
        if threads > self.engaged:
            self.dismiss()
            self.engage(threads)
            fresh = self.engaged - 1
        self.size = min(threads, self.engaged)
        self.work = work
        self.argument = argument
        self.restart()
        if self.size > 1:
            call_helpers(<Barrier*>self.barrier, <int32_t>self.size, <int32_t>fresh)

    cdef engage(self, Py_ssize_t threads):
        """Start helpers, which wait for work."""
        cdef Barrier* barrier = <Barrier*>self.barrier
        self.number = 0
        barrier.calls = 0
        while self.engaged < threads:
            barrier.running += 1
            if PyThread_start_new_thread(help, <void*>self) == PYTHREAD_INVALID_THREAD_ID:
                barrier.running -= 1
                break
            self.engaged += 1

    cdef void meet(self, Py_ssize_t number) noexcept nogil:
        """Return when all threads of the team have called this, each with its number."""
        if self.size > 1:
            barrier_wait(<Barrier*>self.barrier, number)

    cdef void restart(self) noexcept nogil:
        """Begin again with piece 0 of some work, while no other thread takes one."""
        (<Barrier*>self.barrier).taken = (<Barrier*>self.barrier).turn = 0

    cdef Py_ssize_t take(self) noexcept nogil:
        """The number of a piece of work, 0, 1, 2, ..., that no other thread has taken."""
        return ATOMIC_ADD(&(<Barrier*>self.barrier).taken, 1) - 1

    cdef Py_ssize_t turn(self) noexcept nogil:
        """The piece of work whose turn it is: all pieces before it have passed their turn on."""
        return await_turn(<Barrier*>self.barrier, 0)

    cdef Py_ssize_t await_turn(self, Py_ssize_t piece) noexcept nogil:
        """Return when the turn of this piece has come. The result is whose turn it is."""
        return await_turn(<Barrier*>self.barrier, piece)

    cdef void pass_turn(self) noexcept nogil:
        """Let the next piece of work have its turn."""
        pass_turn(<Barrier*>self.barrier)

    cdef void finish(self) noexcept nogil:
        """Return when all helpers have done their work."""
        if self.size > 1:
            await_work(<Barrier*>self.barrier)
        if not self.kept:
            self.dismiss()

    cdef void dismiss(self) noexcept nogil:
        """End all helpers, and return when they have ended."""
        if self.engaged > 1:
            self.work = NULL
            call_helpers(<Barrier*>self.barrier, <int32_t>self.engaged, 0)
            await_end(<Barrier*>self.barrier)
            self.size = self.engaged = 1

    cdef void forget(self) noexcept nogil:
        """Call this in a child process after a fork, where the helpers do not exist."""
        memset(self.barrier, 0, sizeof(Barrier))
        self.size = self.engaged = 1
        self.kept = False
