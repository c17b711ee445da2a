"""The memory of the samples that one thread works on: buffers, scratch, targets.

A context either has its own arena, through which the blocks of a batch pass one after the other. Or several contexts
share an arena that holds a whole batch, and each works on its own rows.
"""

import numpy as np

from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from cbackprop.compiled.kernels.memory cimport address
from cbackprop.compiled.kernels.rows cimport densify
from cbackprop.compiled.kernels.strided cimport gather_strided


cdef extern from "copies.h" nogil:
    void gather(
        Py_ssize_t rows, Py_ssize_t row_bytes, const int64_t* order, const char* data, char* out)


cdef void limit_classes(Py_ssize_t n, int64_t classes, int64_t* numbers) noexcept nogil:
    """Replace class numbers outside of [0, classes) by 0, because a loss would use them to read beyond its row."""
    cdef Py_ssize_t i
    for i in range(n):
        if not 0 <= numbers[i] < classes:
            numbers[i] = 0


cdef class Context:
    """Buffers and scratch in an arena, for up to `capacity` samples.

    Parameters
    ----------
    capacity : int
    arena : array of uint8
    itemsize : int
        Bytes of a number.
    layout : cbackprop.engine.memory.Layout
        Where in the arena everything begins.
    n_heads : int
    """

    def __cinit__(self, Py_ssize_t capacity, arena, Py_ssize_t itemsize, layout, Py_ssize_t n_heads):
        cdef list widths = layout.widths, scratch_bytes = layout.scratch_bytes
        cdef Py_ssize_t i
        self.n_buffers, self.n_layers, self.n_heads = len(widths), len(scratch_bytes), n_heads
        self.itemsize = itemsize
        self.arena = arena
        self.batch.buffers = <Buffer*>calloc(self.n_buffers + 1, sizeof(Buffer))
        self.base = <Buffer*>calloc(self.n_buffers + 1, sizeof(Buffer))
        self.batch.scratch = <void**>calloc(self.n_layers + 1, sizeof(void*))
        self.batch.shared = <void**>calloc(self.n_layers + 1, sizeof(void*))
        self.scratch_base = <void**>calloc(self.n_layers + 1, sizeof(void*))
        self.scratch_bytes = <Py_ssize_t*>calloc(self.n_layers + 1, sizeof(Py_ssize_t))
        self.targets = <Target*>calloc(n_heads + 1, sizeof(Target))
        if not (
            self.batch.buffers and self.base and self.batch.scratch and self.batch.shared and self.scratch_base
            and self.scratch_bytes and self.targets
        ):
            raise MemoryError()
        for i in range(self.n_buffers):
            self.base[i].width = widths[i]
            self.base[i].value = self.at(arena, layout.values[i], capacity * widths[i] * itemsize)
            self.base[i].delta = self.at(arena, layout.deltas[i], capacity * widths[i] * itemsize)
            self.batch.buffers[i] = self.base[i]
        for i in range(self.n_layers):
            self.scratch_bytes[i] = scratch_bytes[i]
            self.scratch_base[i] = self.at(arena, layout.scratch[i], capacity * scratch_bytes[i])
            self.batch.scratch[i] = self.scratch_base[i]
            self.batch.shared[i] = self.at(arena, layout.shared[i], layout.shared_bytes[i])
        self.capacity = capacity

    def __dealloc__(self):
        free(self.batch.buffers)
        free(self.base)
        free(self.batch.scratch)
        free(self.batch.shared)
        free(self.scratch_base)
        free(self.scratch_bytes)
        free(self.targets)
        free(self.staging)
        free(self.sparse)

    cdef void* at(self, arena, offset, Py_ssize_t size) except? NULL:
        if offset is None or size == 0:
            return NULL
        return address(arena[offset:], np.uint8, size)

    cdef set_workspace(self, workspace):
        """Memory (bytes, at a multiple of 64) that layers may use while they run. All contexts of a thread share it."""
        self.workspace = workspace
        self.batch.workspace = address(workspace, np.uint8, workspace.size) if workspace.size else NULL

    def set_staging(self, list arrays):
        """Set memory for `capacity` gathered rows of each feed (None: the rows of this feed are never gathered)."""
        cdef Py_ssize_t i
        self.n_feeds = 0
        free(self.staging)
        free(self.sparse)
        self.staging = <char**>calloc(len(arrays) + 1, sizeof(char*))
        self.sparse = <SparseRows*>calloc(len(arrays) + 1, sizeof(SparseRows))
        if self.staging == NULL or self.sparse == NULL:
            raise MemoryError()
        self.staging_memory = arrays
        for i, array in enumerate(arrays):
            self.staging[i] = <char*>address(array, np.uint8, array.size) if array is not None else NULL
        self.forget_rows()
        self.n_feeds = len(arrays)

    cdef forget_rows(self):
        """Drop all pointers to rows of the current feeds, because they will be replaced."""
        cdef Py_ssize_t i
        for i in range(self.n_buffers):
            self.batch.buffers[i].sparse = NULL
        for i in range(self.n_heads):
            self.targets[i] = Target(NULL, NULL, NULL, NULL)

    cdef void show(self, Py_ssize_t offset, Py_ssize_t rows) noexcept nogil:
        """Point to the samples offset:offset + rows of the arena."""
        cdef Py_ssize_t i, bytes
        self.batch.rows = rows
        if offset == self.shown:
            return
        self.shown = offset
        for i in range(self.n_buffers):
            bytes = offset * self.base[i].width * self.itemsize
            if self.base[i].value != NULL:
                self.batch.buffers[i].value = <char*>self.base[i].value + bytes
            if self.base[i].delta != NULL:
                self.batch.buffers[i].delta = <char*>self.base[i].delta + bytes
        for i in range(self.n_layers):
            if self.scratch_base[i] != NULL:
                self.batch.scratch[i] = <char*>self.scratch_base[i] + offset * self.scratch_bytes[i]

    cdef void refer(self, const Feed* feeds, const int64_t* order, Py_ssize_t start) noexcept nogil:
        """Point to rows in the staging memory, which other contexts that share it have filled by `fetch`."""
        cdef Py_ssize_t i
        for i in range(self.n_feeds):
            self.point(feeds, i, order, start)

    cdef void fetch(self, const Feed* feeds, const int64_t* order, Py_ssize_t start) noexcept nogil:
        """Make the samples from `start` on readable, either in place or gathered in `order` and converted."""
        cdef Py_ssize_t i
        for i in range(self.n_feeds):
            if self.staging[i] != NULL:
                self.stage(&feeds[i], order, start, self.staging[i] + self.shown * feeds[i].row_bytes)
            self.point(feeds, i, order, start)

    cdef void point(self, const Feed* feeds, Py_ssize_t i, const int64_t* order, Py_ssize_t start) noexcept nogil:
        """Set where readers of a feed find its rows: in the staging memory, in the user's array, or as sparse rows."""
        cdef const Feed* feed = &feeds[i]
        cdef char* rows = <char*>feed.rows.data + start * feed.row_bytes
        if self.staging[i] != NULL:
            rows = self.staging[i] + self.shown * feed.row_bytes
        if feed.buffer >= 0:
            self.batch.buffers[feed.buffer].value = rows
            self.batch.buffers[feed.buffer].sparse = NULL
            if feed.direct:
                self.sparse[i] = feed.sparse[0]
                self.sparse[i].order, self.sparse[i].first = order, start
                self.batch.buffers[feed.buffer].sparse = &self.sparse[i]
        elif feed.role == VALUES:
            self.targets[feed.head].values = rows
        elif feed.role == CLASSES:
            self.targets[feed.head].classes = <const int64_t*>rows
        elif feed.role == WEIGHTS:
            self.targets[feed.head].weights = <const double*>rows
        else:
            self.targets[feed.head].given = rows

    cdef void stage(self, const Feed* feed, const int64_t* order, Py_ssize_t start, char* out) noexcept nogil:
        """Copy the rows of a batch to `out`, one after the other, converted to the type in which they are read."""
        cdef SparseRows sparse
        if feed.sparse != NULL:
            sparse = feed.sparse[0]
            sparse.order, sparse.first = order, start
            if self.itemsize == sizeof(double):
                densify(&sparse, self.batch.rows, feed.width, <double*>out)
            else:
                densify(&sparse, self.batch.rows, feed.width, <float*>out)
        elif not feed.as_they_lie:
            gather_strided(self.batch.rows, &feed.rows, order, start, out)
        elif order == NULL:
            memcpy(out, feed.rows.data + start * feed.row_bytes, self.batch.rows * feed.row_bytes)
        else:
            gather(self.batch.rows, feed.row_bytes, order + start, feed.rows.data, out)
        if feed.classes:
            limit_classes(self.batch.rows * feed.width, feed.classes, <int64_t*>out)
