"""The data of a run: where the samples of inputs, targets and weights are, and how they are read."""

from libc.stdint cimport int64_t

from cbackprop.compiled.engine.context cimport Feed
from cbackprop.compiled.engine.network cimport Network
from cbackprop.compiled.kernels.rows cimport SparseRows


cdef class Feeds:
    cdef Network network
    cdef Feed* items
    cdef Py_ssize_t n
    cdef SparseRows* sparse_rows        # (n,)
    cdef list memory                    # the arrays of the pointers: kept alive here
    cdef object untold                  # why losses and metrics cannot run on these data, or None
    cdef Py_ssize_t version             # how often the data was set

    cdef add(self, array, dtype, Py_ssize_t width, Py_ssize_t buffer, Py_ssize_t head, int role)
    cdef add_strided(self, Feed* feed, array, dtype)
    cdef add_sparse(self, Feed* feed, SparseRows* rows, array, dtype)
    cdef find_untold(self, dict targets, Py_ssize_t i)
    cdef check_targets(self)
    cdef list readers_of(self, Py_ssize_t buffer)
    cdef check(self, const int64_t[::1] order, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t batch_size)
    cdef const Feed* weights_of(self, Py_ssize_t head) noexcept nogil
    cdef double total(self, const Feed* feed, const int64_t* order, Py_ssize_t start, Py_ssize_t rows) noexcept nogil
