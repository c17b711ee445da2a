"""Threads that work on one call together."""

from libc.stdint cimport int32_t

# The function that each thread of a team calls, with the same argument and its own number.
ctypedef void (*Work)(void* argument, Py_ssize_t thread) noexcept nogil


cdef class Team:
    cdef void* barrier
    cdef readonly Py_ssize_t size       # threads of the current call, the caller's included
    cdef Py_ssize_t engaged             # threads that exist
    cdef Work work
    cdef void* argument
    cdef int32_t number                 # the last number that a helper took
    cdef bint kept                      # helpers stay when a call ends

    cdef start(self, Py_ssize_t threads, Work work, void* argument)
    cdef engage(self, Py_ssize_t threads)
    cdef void finish(self) noexcept nogil
    cdef void dismiss(self) noexcept nogil
    cdef void forget(self) noexcept nogil
    cdef void meet(self, Py_ssize_t number) noexcept nogil
    cdef void restart(self) noexcept nogil
    cdef Py_ssize_t take(self) noexcept nogil
    cdef Py_ssize_t turn(self) noexcept nogil
    cdef Py_ssize_t await_turn(self, Py_ssize_t piece) noexcept nogil
    cdef void pass_turn(self) noexcept nogil
