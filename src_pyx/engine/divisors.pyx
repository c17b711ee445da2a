"""The numbers by which the sums of losses over a batch are divided.

Each thread computes the same divisors for itself, so that no thread waits for another one.
"""

import numpy as np

from libc.stdint cimport int64_t

from cbackprop.compiled.engine.context cimport Feed
from cbackprop.compiled.engine.feeds cimport Feeds
from cbackprop.compiled.engine.head cimport Head
from cbackprop.compiled.engine.network cimport Network
from cbackprop.compiled.engine.pieces cimport Pieces, Place


cdef class Divisors:
    """
    Parameters
    ----------
    network : Network
    feeds : Feeds
    pieces : Pieces
    """

    def __cinit__(self, Network network not None, Feeds feeds not None, Pieces pieces not None):
        self.network, self.feeds, self.pieces = network, feeds, pieces

    cdef reserve(self, Py_ssize_t threads):
        """Make room for the divisors of a run."""
        cdef Py_ssize_t n = self.network.n_heads + 1
        if self.of_thread is None or self.of_thread.shape[0] < threads or self.of_thread.shape[1] < n:
            self.of_thread = np.empty((threads, n))
        self.of_thread[:, :] = 1
        if self.pieces.shared:
            self.counts = np.zeros((n, self.pieces.total))

    cdef void set_batch(
        self, Py_ssize_t thread, const int64_t* order, Py_ssize_t start, Py_ssize_t rows
    ) noexcept nogil:
        """Set the divisors of the samples order[start:start + rows], for heads without a mask."""
        cdef Py_ssize_t h
        cdef const Feed* weights
        cdef double total
        for h in range(self.network.n_heads):
            weights = self.feeds.weights_of(h)
            if weights == NULL:
                total = (<Head>self.network.head_pointers[h]).units(rows)
            else:
                total = self.feeds.total(weights, order, start, rows)
            self.of_thread[thread, h] = (<Head>self.network.head_pointers[h]).divisor(rows, total)

    cdef void set_masked(self, Py_ssize_t thread, Py_ssize_t rows) noexcept nogil:
        """Set the divisors of heads with a mask, when the weights of all rows of the batch are known."""
        cdef Py_ssize_t h
        for h in range(self.network.n_heads):
            if (<Head>self.network.head_pointers[h]).sifts():
                self.of_thread[thread, h] = (<Head>self.network.head_pointers[h]).masked_divisor(0, rows)

    # With ranks, for divisors that depend on the samples of all ranks

    cdef void count_pieces(self, const int64_t* order, const Place* place) noexcept nogil:
        """Store the contribution of each of this rank's pieces of a batch to the divisors, and its number of rows."""
        cdef Py_ssize_t h, i, rows, begin
        cdef const Feed* weights
        cdef double total
        for h in range(self.network.n_heads + 1):
            for i in range(self.pieces.total):
                self.counts[h, i] = 0
        for i in range(self.pieces.n):
            begin = self.pieces.begins[i]
            rows = self.pieces.begins[i + 1] - begin
            self.counts[self.network.n_heads, self.pieces.first + i] = rows
            for h in range(self.network.n_heads):
                if (<Head>self.network.head_pointers[h]).sifts():
                    total = (<Head>self.network.head_pointers[h]).masked_divisor(begin, rows)
                else:
                    weights = self.feeds.weights_of(h)
                    total = 0 if weights == NULL else self.feeds.total(weights, order, place.start + begin, rows)
                    total = (<Head>self.network.head_pointers[h]).divisor(rows, total)
                self.counts[h, self.pieces.first + i] = total

    cdef void take_counts(self, Py_ssize_t thread) noexcept nogil:
        """Set the divisors from the counts that the ranks have added up."""
        cdef Py_ssize_t h
        for h in range(self.network.n_heads):
            if not (<Head>self.network.head_pointers[h]).is_sum():
                self.of_thread[thread, h] = self.count_of(h)

    cdef double count_of(self, Py_ssize_t head) noexcept nogil:
        """The sum of the counts of all pieces, in an order that does not depend on which rank has them."""
        cdef double total = 0
        cdef Py_ssize_t i
        for i in range(self.pieces.total):
            total += self.counts[head, i]
        return total
