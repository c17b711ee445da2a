"""The contexts of all threads: memory for blocks, for a whole batch, and for gathered rows of the data."""

from cpython.ref cimport PyObject

from cbackprop.compiled.engine.context cimport Context
from cbackprop.compiled.engine.feeds cimport Feeds
from cbackprop.compiled.engine.network cimport Network


cdef class Contexts:
    cdef Network network
    cdef Feeds feeds
    # Contexts for blocks, contexts for each thread's part of a whole batch, and one context for the whole batch
    cdef list block_list, share_list
    cdef PyObject** blocks
    cdef PyObject** shares
    cdef Context whole
    cdef Py_ssize_t n_blocks, n_shares
    cdef readonly Py_ssize_t block_capacity, block_step, whole_capacity
    cdef list workspaces                # of threads, by number
    cdef list block_staging, whole_staging       # bytes of the contexts' memory for gathered rows of each feed
    cdef int staged                     # contexts know the feeds: 1 if read in place, 2 also gathered
    cdef Py_ssize_t feeds_version, weights_version      # the versions that they know

    cdef give_workspaces(self, list contexts)
    cdef PyObject** list_contexts(self, list contexts, Py_ssize_t capacity, PyObject** old) except NULL
    cdef show_weights(self)
    cdef check_staged(self, bint gathered)
    cdef list staging_bytes(self, Py_ssize_t rows, bint gathered)
