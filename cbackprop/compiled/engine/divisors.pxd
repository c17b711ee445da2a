"""The numbers by which the sums of losses over a batch are divided."""

from libc.stdint cimport int64_t

from cbackprop.compiled.engine.feeds cimport Feeds
from cbackprop.compiled.engine.network cimport Network
from cbackprop.compiled.engine.pieces cimport Pieces, Place


cdef class Divisors:
    cdef Network network
    cdef Feeds feeds
    cdef Pieces pieces
    cdef double[:, ::1] of_thread       # (threads, heads): of the current batch
    cdef double[:, ::1] counts          # (heads + 1, pieces): each piece's part of the divisors, and its rows

    cdef reserve(self, Py_ssize_t threads)
    cdef void set_batch(
        self, Py_ssize_t thread, const int64_t* order, Py_ssize_t start, Py_ssize_t rows
    ) noexcept nogil
    cdef void set_masked(self, Py_ssize_t thread, Py_ssize_t rows) noexcept nogil
    cdef void count_pieces(self, const int64_t* order, const Place* place) noexcept nogil
    cdef void take_counts(self, Py_ssize_t thread) noexcept nogil
    cdef double count_of(self, Py_ssize_t head) noexcept nogil
