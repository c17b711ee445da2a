"""The contexts of all threads: room for blocks, for a whole batch, and for gathered rows of the data."""

import numpy as np

from cpython.ref cimport PyObject
from libc.stdlib cimport calloc, free

from cbackprop.compiled.engine.context cimport Context, Feed
from cbackprop.compiled.engine.feeds cimport Feeds
from cbackprop.compiled.engine.network cimport Network
from cbackprop.compiled.layers.layer cimport Layer


cdef list staging(list sizes):
    """Allocate memory of the given number of bytes for each feed; None for a feed that needs none."""
    return [np.empty(size, np.uint8) if size else None for size in sizes]


cdef class Contexts:
    """
    Parameters
    ----------
    network : Network
    feeds : Feeds
    """

    def __cinit__(self, Network network not None, Feeds feeds not None):
        self.network, self.feeds = network, feeds
        self.workspaces = []
        self.weights_version = -1

    def __dealloc__(self):
        free(self.blocks)
        free(self.shares)

    def place_blocks(self, list contexts, Py_ssize_t capacity, Py_ssize_t step=1):
        """Set a context for each thread, for blocks of up to `capacity` samples.

        Blocks begin at multiples of `step` samples, which divides the capacity.
        """
        self.network.run.check_idle()
        if capacity < 1:
            raise ValueError("A block has at least one row.")
        if step < 1 or capacity % step:
            raise ValueError("The step of blocks must divide their capacity.")
        self.n_blocks = self.staged = 0
        self.blocks = self.list_contexts(contexts, capacity, self.blocks)
        self.block_list, self.block_staging = contexts, None
        self.give_workspaces(contexts)
        self.weights_version = -1
        self.n_blocks, self.block_capacity, self.block_step = len(contexts), capacity, step

    def place_whole(self, list contexts, Context whole, Py_ssize_t capacity):
        """Set a context for each thread's rows of a whole batch, and one context for all rows."""
        self.network.run.check_idle()
        self.n_shares = self.staged = 0
        self.shares = self.list_contexts([*contexts, whole], capacity, self.shares)
        self.share_list, self.whole_staging = contexts, None
        self.give_workspaces(contexts)
        self.whole = whole
        self.weights_version = -1
        self.n_shares, self.whole_capacity = len(contexts), capacity

    def workspace_bytes(self):
        """The size of each thread's workspace."""
        return [len(workspace) for workspace in self.workspaces]

    cdef give_workspaces(self, list contexts):
        """Give each thread's context the workspace of its thread, as large as the layers ask for."""
        cdef Context context
        cdef Py_ssize_t size = 0
        for layer in self.network.layers:
            size = max(size, (<Layer>layer).needs().thread)
        size = (size + 63) // 64 * 64
        while len(self.workspaces) < len(contexts):
            raw = np.empty(size + 64, np.uint8)
            self.workspaces.append(raw[-raw.ctypes.data % 64:][:size])
        for context, workspace in zip(contexts, self.workspaces):
            context.set_workspace(workspace)

    cdef PyObject** list_contexts(self, list contexts, Py_ssize_t capacity, PyObject** old) except NULL:
        cdef Context context
        cdef Py_ssize_t i
        cdef PyObject** pointers = <PyObject**>calloc(len(contexts) + 1, sizeof(PyObject*))
        if pointers == NULL:
            raise MemoryError()
        for i, context in enumerate(contexts):
            sizes = (context.n_buffers, context.n_layers, context.n_heads)
            wanted = (self.network.n_buffers, self.network.n_layers, self.network.n_heads)
            if sizes != wanted or context.capacity < capacity:
                free(pointers)
                raise ValueError("A context does not fit the engine.")
            pointers[i] = <PyObject*>context
            context.batch.failure = &self.network.run.failure
        free(old)
        return pointers

    def rows_of_threads(self):
        """The number of rows that each thread had in the last batch that was held as a whole."""
        cdef Context context
        rows = []
        for context in self.share_list or []:
            rows.append(context.batch.rows)
        return rows

    cdef show_weights(self):
        """Tell all contexts where the weights are."""
        cdef Context context
        if self.weights_version == self.network.weights_version:
            return
        for context in [*(self.block_list or []), *(self.share_list or []), *([self.whole] if self.whole else [])]:
            context.batch.weights = self.network.weights
        self.weights_version = self.network.weights_version

    cdef check_staged(self, bint gathered):
        """Refuse data for which the contexts have no staging memory, and tell them where the weights are."""
        if self.staged < (2 if gathered else 1) or self.feeds_version != self.feeds.version:
            raise RuntimeError("The engine has no room for the rows of its data.")
        self.show_weights()

    def stage(self, bint gathered):
        """Allocate staging memory in the contexts for feeds whose rows are gathered or converted."""
        cdef Context context
        cdef list blocks = self.staging_bytes(self.block_capacity, gathered)
        cdef list whole = self.staging_bytes(self.whole_capacity, gathered)
        self.network.run.check_idle()
        self.staged = 0
        if blocks != self.block_staging:
            self.block_staging = None
            for context in self.block_list or []:
                context.set_staging(staging(blocks))
            self.block_staging = blocks
        if whole != self.whole_staging:
            self.whole_staging = None
            together = staging(whole)
            for context in [*(self.share_list or []), *([] if self.whole is None else [self.whole])]:
                context.set_staging(together)
            self.whole_staging = whole
        for context in [*(self.block_list or []), *(self.share_list or [])]:
            context.forget_rows()
        if self.whole is not None:
            self.whole.forget_rows()
        self.staged = 2 if gathered else 1
        self.feeds_version = self.feeds.version

    cdef list staging_bytes(self, Py_ssize_t rows, bint gathered):
        """Bytes of staging memory for `rows` rows of each feed; 0 for a feed that is read in place."""
        cdef Feed* feed
        cdef Py_ssize_t i
        sizes = []
        for i in range(self.feeds.n):
            feed = &self.feeds.items[i]
            needed = not feed.direct and (gathered or not feed.as_they_lie)
            sizes.append(max(rows * feed.row_bytes, <Py_ssize_t>64) + 64 if needed else 0)
        return sizes
