"""The data of a run: where the samples of inputs, targets and weights are, and how they are read."""

import numpy as np

from cpython.buffer cimport PyBUF_STRIDES, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free

from cbackprop.compiled.engine.context cimport CLASSES, Feed, GIVEN, VALUES, WEIGHTS
from cbackprop.compiled.engine.head cimport Head
from cbackprop.compiled.engine.network cimport Network
from cbackprop.compiled.kernels.rows cimport SparseRows
from cbackprop.compiled.kernels.strided cimport (
    AS_FLOAT32, AS_FLOAT64, AS_INT64, FLOAT16, FLOAT32, FLOAT64, INT8, INT16, INT32, INT64, lay_out, MAX_AXES, reader,
    sum_of_row, UINT8, UINT16, UINT32, UINT64,
)
from cbackprop.compiled.layers.layer cimport Layer

# The types that data may be stored as. Each batch is converted to the engine's type when it is fetched.
STORED = {
    np.dtype(np.int8): INT8, np.dtype(np.uint8): UINT8, np.dtype(np.int16): INT16, np.dtype(np.uint16): UINT16,
    np.dtype(np.int32): INT32, np.dtype(np.uint32): UINT32, np.dtype(np.int64): INT64, np.dtype(np.uint64): UINT64,
    np.dtype(np.float16): FLOAT16, np.dtype(np.float32): FLOAT32, np.dtype(np.float64): FLOAT64,
}
# For messages: the name of each form of targets.
UNTOLD = {
    "values": "no targets like its predictions", "index": "no class numbers", "given": "no targets as they were given",
}
NO_TARGETS = dict.fromkeys(UNTOLD)
READ_AS = {np.dtype(np.int64): AS_INT64, np.dtype(np.float32): AS_FLOAT32, np.dtype(np.float64): AS_FLOAT64}


cdef class Feeds:
    """
    Parameters
    ----------
    network : Network
        It reads the data.
    """

    def __cinit__(self, Network network not None):
        self.network = network
        self.memory = []

    def __dealloc__(self):
        free(self.items)
        free(self.sparse_rows)

    def set(
        self, list input_arrays, list inputs, list values, list classes, list weights, list given
    ):
        """Set the data: arrays of samples, for the model's inputs and for each head's targets and weights.

        All arrays have the same length. They may have any type in `STORED` and any strides; inputs may also be sparse
        rows. Numbers of a batch are converted to the engine's type, classes to int64 and weights to float64. A head
        without targets or weights has None. Weights belong to rows or to elements. Raw targets may have any shape.
        """
        cdef Py_ssize_t i, width
        cdef Head head
        self.network.run.check_idle()
        self.n = 0
        self.version += 1
        self.memory = []
        self.untold = "no targets"
        free(self.items)
        free(self.sparse_rows)
        self.items = <Feed*>calloc(len(input_arrays) + 4 * self.network.n_heads + 1, sizeof(Feed))
        self.sparse_rows = <SparseRows*>calloc(len(input_arrays) + 4 * self.network.n_heads + 1, sizeof(SparseRows))
        if self.items == NULL or self.sparse_rows == NULL:
            raise MemoryError()
        self.untold = None
        buffers = [self.network.buffer(index) for index in inputs]
        for i in range(len(input_arrays)):
            self.add(input_arrays[i], self.network.float_type(), self.network.widths[inputs[i]], buffers[i], -1, 0)
        for i in range(self.network.n_heads):
            head = self.network.heads[i]
            there = i < len(values)
            targets = {"values": values[i], "index": classes[i], "given": given[i]} if there else NO_TARGETS
            self.untold = self.untold or self.find_untold(targets, i)
            if not there:
                continue
            width = head.positions * head.width
            each = weights[i] is not None and head.width > 1 and weights[i].size == len(weights[i]) * width
            if head.set_form(each, not each, () if given[i] is None else given[i].shape[1:]):
                self.network.head_capacity = 0      # its memory must be allocated again
            self.add(values[i], self.network.float_type(), width, -1, i, VALUES)
            self.add(classes[i], np.int64, head.positions, -1, i, CLASSES)
            self.add(weights[i], np.float64, width if each else head.positions, -1, i, WEIGHTS)
            self.add(given[i], self.network.float_type(), head.given_width, -1, i, GIVEN)

    cdef find_untold(self, dict targets, Py_ssize_t i):
        """A form of targets that a head's loss or metrics need but the data lacks; None if nothing is missing."""
        for form in sorted((<Head>self.network.heads[i]).wanted()):
            if targets[form] is None:
                return f"{UNTOLD[form]} for output {i}"
        return None

    cdef check_targets(self):
        """Raise if the data lacks targets that losses or metrics need."""
        if self.untold is not None:
            raise ValueError(f"The data was made for other losses and metrics: there are {self.untold}.")

    cdef add(self, array, dtype, Py_ssize_t width, Py_ssize_t buffer, Py_ssize_t head, int role):
        cdef Feed* feed = &self.items[self.n]
        cdef Head reader_of
        if array is None:
            return
        if len(array) == 0:
            raise ValueError("There is no data.")
        feed.width, feed.row_bytes = width, width * np.dtype(dtype).itemsize
        feed.buffer, feed.head, feed.role = buffer, head, role
        if hasattr(array, "starts"):
            self.add_sparse(feed, &self.sparse_rows[self.n], array, dtype)
        else:
            self.add_strided(feed, array, np.dtype(dtype))
            feed.classes = 0
            if buffer < 0 and role == CLASSES and not feed.as_they_lie:
                reader_of = <Head>self.network.heads[head]
                feed.classes = 0 if reader_of.takes_any_label() else reader_of.width
            self.memory.append((array,))
        self.n += 1

    cdef add_strided(self, Feed* feed, array, dtype):
        """Set up a feed of a dense array with any strides."""
        cdef Py_buffer view
        cdef int stored = STORED.get(array.dtype, 0)
        if not stored or array.size != len(array) * feed.width:
            raise ValueError("An array of data does not fit the network.")
        # This runs in each epoch; a memoryview of a view of the array would take several times as long.
        PyObject_GetBuffer(array, &view, PyBUF_STRIDES)
        try:
            if view.ndim > MAX_AXES:
                raise ValueError("An array of data has too many axes.")
            feed.rows.data = <const char*>view.buf
            feed.rows.out_bytes = dtype.itemsize
            feed.rows.read = reader(stored, READ_AS[dtype])
            lay_out(&feed.rows, view.ndim, view.shape, view.strides)
            feed.as_they_lie = (
                array.dtype == dtype and feed.rows.n_axes == 0
                and (feed.rows.stride == feed.row_bytes or view.shape[0] == 1)
                and (feed.rows.step == dtype.itemsize or feed.width == 1) and <size_t>view.buf % dtype.itemsize == 0
            )
        finally:
            PyBuffer_Release(&view)

    cdef add_sparse(self, Feed* feed, SparseRows* rows, array, dtype):
        """Set up a feed of a sparse matrix."""
        cdef const int64_t[::1] starts = array.starts
        cdef const int32_t[::1] columns = array.columns
        cdef const unsigned char[::1] values
        cdef Py_ssize_t i, stored = columns.shape[0]
        fits = starts.shape[0] == len(array) + 1 and starts[0] >= 0 and starts[starts.shape[0] - 1] <= stored
        if not fits or array.shape[1] != feed.width or array.values.dtype != dtype or len(array.values) != stored:
            raise ValueError("A sparse matrix does not fit the network.")
        for i in range(starts.shape[0] - 1):
            if starts[i] > starts[i + 1]:
                raise ValueError("A row of a sparse matrix ends before it begins.")
        values = array.values.view(np.uint8)
        rows.starts = &starts[0]
        if stored:
            rows.columns, rows.values = &columns[0], &values[0]
        feed.sparse = rows
        feed.direct = all(layer.takes_sparse for layer in self.readers_of(feed.buffer))
        self.memory.append((array, starts, columns, values))

    cdef list readers_of(self, Py_ssize_t buffer):
        """The layers that read a buffer."""
        cdef Layer layer
        return [layer for layer in self.network.layers if buffer in [layer.inputs[i] for i in range(layer.n_inputs)]]

    cdef check(self, const int64_t[::1] order, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t batch_size):
        """Raise if a run would read outside of the data or write outside of the buffers."""
        cdef Py_ssize_t i, samples
        self.network.run.check_idle()
        self.network.check_complete()
        if not self.n:
            raise RuntimeError("The engine has no data.")
        samples = len(self.memory[0][0])
        for entry in self.memory:
            if len(entry[0]) != samples:
                raise ValueError("The arrays differ in length.")
        if order is None:
            if not 0 <= start <= stop <= samples:
                raise IndexError("The range lies outside of the data.")
        else:
            if not 0 <= start <= stop <= order.shape[0]:
                raise IndexError("The range lies outside of the order.")
            for i in range(start, stop):
                if not 0 <= order[i] < samples:
                    raise IndexError("The order names a sample that is not there.")
        if batch_size < 1:
            raise ValueError("A batch has at least one sample.")

    cdef const Feed* weights_of(self, Py_ssize_t head) noexcept nogil:
        """The weights of samples for a head; NULL if the data has none."""
        cdef Py_ssize_t i
        for i in range(self.n):
            if self.items[i].role == WEIGHTS and self.items[i].buffer < 0 and self.items[i].head == head:
                return &self.items[i]
        return NULL

    cdef double total(self, const Feed* feed, const int64_t* order, Py_ssize_t start, Py_ssize_t rows) noexcept nogil:
        """The sum of all numbers of the samples order[start:start + rows]; `order` may be NULL."""
        cdef Py_ssize_t r
        cdef double total = 0
        for r in range(start, start + rows):
            total = sum_of_row(&feed.rows, r if order == NULL else order[r], total)
        return total
