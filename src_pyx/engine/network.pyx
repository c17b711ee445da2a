"""The part of the engine that is there before anything runs: layers, buffers, memory and data, put together.

Everything here was checked by the plan and by `cbackprop.engine.compiled`, which builds it; what this
file checks again is only what would be a read or write outside of an array.
"""

import numpy as np

from cpython.buffer cimport PyBUF_STRIDES, PyBuffer_Release, PyObject_GetBuffer
from cpython.pythread cimport PyThread_get_thread_ident
from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free

from cbackprop.compiled.constraints.projections cimport Projections
from cbackprop.compiled.engine.context cimport CLASSES, Context, Feed, GIVEN, VALUES, WEIGHTS
from cbackprop.compiled.engine.failure cimport take_failure
from cbackprop.compiled.engine.gradients cimport Gradients
from cbackprop.compiled.engine.head cimport Head
from cbackprop.compiled.engine.tables cimport Table
from cbackprop.compiled.kernels.memory cimport address
from cbackprop.compiled.kernels.rows cimport SparseRows
from cbackprop.compiled.kernels.strided cimport (
    AS_FLOAT32, AS_FLOAT64, AS_INT64, FLOAT16, FLOAT32, FLOAT64, INT8, INT16, INT32, INT64, lay_out, MAX_AXES, reader,
    UINT8, UINT16, UINT32, UINT64,
)
from cbackprop.compiled.layers.layer cimport Layer
from cbackprop.compiled.metrics.tally cimport Tally
from cbackprop.compiled.optimizers.optimizer cimport Optimizer, Segment, SegmentList
from cbackprop.compiled.regularizers.penalties cimport Penalties
from cbackprop.contract.implementation import name_of

# What data may be stored as: each batch is turned into the engine's numbers when it is fetched.
STORED = {
    np.dtype(np.int8): INT8, np.dtype(np.uint8): UINT8, np.dtype(np.int16): INT16, np.dtype(np.uint16): UINT16,
    np.dtype(np.int32): INT32, np.dtype(np.uint32): UINT32, np.dtype(np.int64): INT64, np.dtype(np.uint64): UINT64,
    np.dtype(np.float16): FLOAT16, np.dtype(np.float32): FLOAT32, np.dtype(np.float64): FLOAT64,
}
# What there is not where targets of a form are missing.
UNTOLD = {
    "values": "no targets like its predictions", "index": "no class numbers", "given": "no targets as they were given",
}
NO_TARGETS = dict.fromkeys(UNTOLD)
READ_AS = {np.dtype(np.int64): AS_INT64, np.dtype(np.float32): AS_FLOAT32, np.dtype(np.float64): AS_FLOAT64}


cdef list staging(list sizes):
    """Memory of so many bytes for each feed, or None."""
    return [np.empty(size, np.uint8) if size else None for size in sizes]


cdef class Network:
    """Layers connected by buffers.

    Parameters
    ----------
    layers : list of Layer
        In the order in which they run.
    widths : list of int
        Elements per sample of each buffer.
    is_double : bool
    """

    def __cinit__(self, list layers, list widths, bint is_double):
        cdef Layer layer
        cdef Py_ssize_t i
        self.layers = list(layers)
        self.widths = list(widths)
        self.n_layers = self.n_predicting = len(layers)
        self.n_buffers = len(widths)
        self.is_double = is_double
        self.layer_pointers = <PyObject**>calloc(self.n_layers + 1, sizeof(PyObject*))
        self.backward_order = <Py_ssize_t*>calloc(self.n_layers + 1, sizeof(Py_ssize_t))
        self.linked = <bint*>calloc(self.n_layers + 1, sizeof(bint))
        if not (self.layer_pointers and self.backward_order and self.linked):
            raise MemoryError()
        for i, layer in enumerate(self.layers):
            self.layer_pointers[i] = <PyObject*>layer
            layer.is_double = is_double
            layer.itemsize = sizeof(double) if is_double else sizeof(float)
            layer.index = i
        self.schedules = {}
        self.points = []
        self.workspaces = []
        self.heads = []
        self.feed_memory = []

    def __dealloc__(self):
        free(self.layer_pointers)
        free(self.head_pointers)
        free(self.backward_order)
        free(self.linked)
        take_failure(&self.failure)
        free(self.table_pointers)
        free(self.all_segments)
        free(self.tiles)
        free(self.shares)
        free(self.feeds)
        free(self.sparse_rows)

    # Connecting

    cdef begin_run(self):
        """From here on until `busy` is unset again, memory is in use."""
        self.busy = True
        self.runner = PyThread_get_thread_ident()

    cdef check_idle(self):
        """Refuse to touch memory that a run of this engine, further up the stack, is using."""
        if self.busy:
            raise RuntimeError("The model is in the middle of a batch: its own code cannot use it now.")

    def use_blas(self, bint blas):
        """Have runs from now on multiply matrices by BLAS, whose module must have been imported; or else by tiles."""
        self.check_idle()
        self.blas = blas
        if self.optimizer is not None:
            self.optimizer.blas = blas

    cdef Py_ssize_t buffer(self, Py_ssize_t index) except -1:
        if not 0 <= index < self.n_buffers:
            raise IndexError(f"There is no buffer {index}.")
        return index

    def connect(self, Py_ssize_t index, tuple inputs, Py_ssize_t output, int training, unsigned int node):
        """Tell layer `index` its buffers, whether its mode is fixed (0, 1; -1: no), and its number."""
        cdef Layer layer = self.layers[index]
        cdef Py_ssize_t i
        self.check_idle()
        if layer.input_widths is None:
            raise TypeError(f"{name_of(layer)} does not say what it reads: call `expect` in its __init__.")
        widths = [self.widths[self.buffer(i)] for i in inputs]
        if widths != layer.input_widths or self.widths[self.buffer(output)] != layer.output_width:
            raise ValueError(
                f"{name_of(layer)} reads {layer.input_widths} numbers of a sample and writes "
                f"{layer.output_width}, but its buffers hold {widths} and {self.widths[output]}."
            )
        for i in range(layer.n_inputs):
            layer.inputs[i] = inputs[i]
        layer.output = output
        layer.training = training
        layer.node = node
        self.schedules = {}

    def set_weights(self, vector, list offsets):
        """The vector of all weights, and for each layer where in it each of its parameters begins."""
        cdef Layer layer
        cdef Py_ssize_t i, k
        self.check_idle()
        self.weights = NULL
        for i, layer in enumerate(self.layers):
            if len(offsets[i]) != layer.n_parameters:
                raise ValueError("A layer has other parameters.")
            for k in range(layer.n_parameters):
                if not 0 <= offsets[i][k] <= vector.size - layer.parameters[k].size:
                    raise ValueError("A parameter does not lie in the vector of weights.")
                layer.parameters[k].offset = offsets[i][k] * vector.itemsize
        self.weights = <char*>address(vector, self.float_type(), vector.size)
        self.weight_memory = vector
        self.show_weights()

    cdef show_weights(self):
        """Tell all contexts where the weights are."""
        cdef Context context
        for context in [*(self.tile_list or []), *(self.share_list or []), *([self.whole] if self.whole else [])]:
            context.batch.weights = self.weights

    def set_backward(self, list order, list accumulate, list linked, list points):
        """The layers of the backward pass in order, for each which input deltas to add to, and the linked ones.

        points : in front of which of these layers, in this order, gradients of those before can be computed.
        """
        cdef Py_ssize_t i, k
        cdef Layer layer
        self.check_idle()
        self.n_backward = 0
        for i in range(self.n_layers):
            self.linked[i] = i in linked
        for i in range(len(order)):
            layer = self.layers[order[i]]
            self.backward_order[i] = order[i]
            for k in range(layer.n_inputs):
                layer.accumulate[k] = accumulate[i][k]
        self.n_backward = len(order)
        self.points, self.n_points = list(points), len(points)
        self.schedules = {}

    def set_predicting(self, Py_ssize_t count):
        """Predictions need only so many of the layers, the first ones."""
        self.check_idle()
        if not 0 <= count <= self.n_layers:
            raise ValueError("There are not so many layers.")
        self.n_predicting = count

    def set_heads(self, list heads, list outputs, list masks):
        """The heads, and the buffers that they read: predictions, and their masks (-1: none)."""
        cdef Head head
        cdef Py_ssize_t i
        self.check_idle()
        free(self.head_pointers)
        self.n_heads = 0
        self.masked = False
        self.head_pointers = <PyObject**>calloc(len(heads) + 1, sizeof(PyObject*))
        if self.head_pointers == NULL:
            raise MemoryError()
        self.heads = list(heads)
        for i, head in enumerate(self.heads):
            head.output = self.buffer(outputs[i])
            if head.positions * head.width != self.widths[head.output]:
                raise ValueError("The head does not fit the output.")
            head.mask = -1 if masks[i] < 0 else self.buffer(masks[i])
            if head.mask >= 0 and self.widths[head.mask] != head.positions:
                raise ValueError("The mask does not fit the output.")
            self.masked = self.masked or head.mask >= 0 or head.selects
            self.head_pointers[i] = <PyObject*>head
            if head.loss is not None:
                head.loss.failure = &self.failure
            head.is_double = self.is_double
            for tally in head.tallies:
                (<Tally?>tally).failure = &self.failure
        self.n_heads = len(heads)
        self.head_loss_totals = np.zeros(max(self.n_heads, 1))

    def set_optimizer(self, Optimizer optimizer, SegmentList segments):
        """The optimizer, and what it works on."""
        self.check_idle()
        self.optimizer = optimizer
        self.segments = segments

    def set_gradients(self, Gradients gradients):
        """Where gradients go."""
        self.check_idle()
        self.gradients = gradients

    def set_tables(self, list tables):
        """Parameters of which a batch reaches only some rows; after `set_optimizer`."""
        cdef Py_ssize_t i
        cdef Table table
        self.check_idle()
        self.n_tables = 0
        self.tables = list(tables)
        free(self.table_pointers)
        free(self.all_segments)
        self.table_pointers = <PyObject**>calloc(len(tables) + 1, sizeof(PyObject*))
        self.all_segments = <Segment*>calloc(self.segments.size + len(tables) + 1, sizeof(Segment))
        if not (self.table_pointers and self.all_segments):
            raise MemoryError()
        for i, table in enumerate(self.tables):
            read = sum(self.widths[(<Layer>layer).inputs[0]] for layer in table.layers)
            known = all(layer in self.layers for layer in table.layers)
            if not known or table.n_slots != self.optimizer.n_memories or read > table.reads:
                raise ValueError("A table does not fit the engine.")
            self.table_pointers[i] = <PyObject*>table
        self.n_tables = len(tables)

    def set_penalties(self, Penalties penalties):
        """What the weights add to the loss (None: nothing)."""
        self.check_idle()
        self.penalties = penalties

    def set_projections(self, Projections projections):
        """What the weights are held to after each step (None: nothing)."""
        self.check_idle()
        self.projections = projections

    # Memory

    def place_tiles(self, list contexts, Py_ssize_t capacity):
        """A context for each thread, through which tiles of up to `capacity` samples pass."""
        self.check_idle()
        if capacity < 1:
            raise ValueError("A tile has at least one row.")
        self.n_tiles = self.staged = 0
        self.tiles = self.list_contexts(contexts, capacity, self.tiles)
        self.tile_list, self.tile_staging = contexts, None
        self.give_workspaces(contexts)
        self.show_weights()
        self.n_tiles, self.tile_capacity = len(contexts), capacity

    def place_whole(self, list contexts, Context whole, Py_ssize_t capacity):
        """A context for each thread to look at its rows of a whole batch, and one to look at all of them."""
        self.check_idle()
        self.n_shares = self.staged = 0
        self.shares = self.list_contexts([*contexts, whole], capacity, self.shares)
        self.share_list, self.whole_staging = contexts, None
        self.give_workspaces(contexts)
        self.whole = whole
        self.show_weights()
        self.n_shares, self.whole_capacity = len(contexts), capacity

    def workspace_bytes(self):
        """The memory of each thread that layers use while they run."""
        return [len(workspace) for workspace in self.workspaces]

    cdef give_workspaces(self, list contexts):
        """Each thread's context gets the workspace of this thread, as large as the layers want it."""
        cdef Context context
        cdef Py_ssize_t size = 0
        for layer in self.layers:
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
            fits = (context.n_buffers, context.n_layers, context.n_heads)
            if fits != (self.n_buffers, self.n_layers, self.n_heads) or context.capacity < capacity:
                free(pointers)
                raise ValueError("A context does not fit the engine.")
            pointers[i] = <PyObject*>context
            context.batch.failure = &self.failure
        free(old)
        return pointers

    def rows_of_threads(self):
        """How many rows of the last batch that was held as a whole each thread had."""
        cdef Context context
        rows = []
        for context in self.share_list or []:
            rows.append(context.batch.rows)
        return rows

    def allocate_heads(self, Py_ssize_t samples):
        """Make room for the losses and metrics of batches of up to this many samples."""
        cdef Head head
        self.check_idle()
        self.head_capacity = 0
        for head in self.heads:
            head.allocate(samples)
        self.head_capacity = samples

    # Data

    def set_feeds(
        self, list input_arrays, list inputs, list values, list classes, list weights, list given
    ):
        """The data: arrays of samples, for the model's inputs and for each head's targets and weights.

        Every array is as long as the others, of any type in `STORED` and of any strides; inputs may also be sparse
        rows. A batch is read as numbers of the engine's type; classes as int64, weights as float64. A head without
        targets or weights has None. Weights are those of rows or of elements; targets as they were given have any
        shape.
        """
        cdef Py_ssize_t i, width
        cdef Head head
        self.check_idle()
        self.n_feeds = self.staged = 0
        self.feed_memory = []
        self.untold = "no targets"
        free(self.feeds)
        free(self.sparse_rows)
        self.feeds = <Feed*>calloc(len(input_arrays) + 4 * self.n_heads + 1, sizeof(Feed))
        self.sparse_rows = <SparseRows*>calloc(len(input_arrays) + 4 * self.n_heads + 1, sizeof(SparseRows))
        if self.feeds == NULL or self.sparse_rows == NULL:
            raise MemoryError()
        self.untold = None
        for i in range(len(input_arrays)):
            self.add_feed(input_arrays[i], self.float_type(), self.widths[inputs[i]], self.buffer(inputs[i]), -1, 0)
        for i in range(self.n_heads):
            head = self.heads[i]
            there = i < len(values)
            targets = {"values": values[i], "index": classes[i], "given": given[i]} if there else NO_TARGETS
            self.untold = self.untold or self.find_untold(targets, i)
            if not there:
                continue
            width = head.positions * head.width
            each = weights[i] is not None and head.width > 1 and weights[i].size == len(weights[i]) * width
            if head.set_form(each, not each, () if given[i] is None else given[i].shape[1:]):
                self.head_capacity = 0      # other memory is needed
            self.add_feed(values[i], self.float_type(), width, -1, i, VALUES)
            self.add_feed(classes[i], np.int64, head.positions, -1, i, CLASSES)
            self.add_feed(weights[i], np.float64, width if each else head.positions, -1, i, WEIGHTS)
            self.add_feed(given[i], self.float_type(), head.given_width, -1, i, GIVEN)

    cdef find_untold(self, dict targets, Py_ssize_t i):
        """A form of targets that a head's loss or metrics read and the data does not have; None if there is none."""
        for form in sorted((<Head>self.heads[i]).wanted()):
            if targets[form] is None:
                return f"{UNTOLD[form]} for output {i}"
        return None

    cdef check_targets(self):
        """Refuse to run losses and metrics without the targets that they read."""
        if self.untold is not None:
            raise ValueError(f"The data was made for other losses and metrics: there are {self.untold}.")

    def float_type(self):
        """The NumPy type of the engine's numbers."""
        return np.float64 if self.is_double else np.float32

    cdef add_feed(self, array, dtype, Py_ssize_t width, Py_ssize_t buffer, Py_ssize_t head, int role):
        cdef Feed* feed = &self.feeds[self.n_feeds]
        if array is None:
            return
        if len(array) == 0:
            raise ValueError("There is no data.")
        feed.width, feed.row_bytes = width, width * np.dtype(dtype).itemsize
        feed.buffer, feed.head, feed.role = buffer, head, role
        if hasattr(array, "starts"):
            self.add_sparse(feed, &self.sparse_rows[self.n_feeds], array, dtype)
        else:
            self.add_strided(feed, array, np.dtype(dtype))
            feed.classes = 0
            if buffer < 0 and role == CLASSES and not feed.as_they_lie:
                feed.classes = 0 if (<Head>self.heads[head]).takes_any_label() else (<Head>self.heads[head]).width
            self.feed_memory.append((array,))
        self.n_feeds += 1

    cdef add_strided(self, Feed* feed, array, dtype):
        """An array wherever its rows are."""
        cdef Py_buffer view
        cdef int stored = STORED.get(array.dtype, 0)
        if not stored or array.size != len(array) * feed.width:
            raise ValueError("An array of data does not fit the network.")
        # Each epoch comes by here: a memoryview of a view of the array would take several times as long.
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
        """An input whose rows are those of a sparse matrix."""
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
        self.feed_memory.append((array, starts, columns, values))

    cdef list readers_of(self, Py_ssize_t buffer):
        """The layers that read a buffer."""
        cdef Layer layer
        return [layer for layer in self.layers if buffer in [layer.inputs[i] for i in range(layer.n_inputs)]]

    def stage(self, bint gathered):
        """Make room in the contexts for rows of the feeds that are gathered, or are not read as they are stored."""
        cdef Context context
        cdef list tiles = self.staging_bytes(self.tile_capacity, gathered)
        cdef list whole = self.staging_bytes(self.whole_capacity, gathered)
        self.check_idle()
        self.staged = 0
        if tiles != self.tile_staging:
            self.tile_staging = None
            for context in self.tile_list or []:
                context.set_staging(staging(tiles))
            self.tile_staging = tiles
        if whole != self.whole_staging:
            self.whole_staging = None
            together = staging(whole)
            for context in [*(self.share_list or []), *([] if self.whole is None else [self.whole])]:
                context.set_staging(together)
            self.whole_staging = whole
        for context in [*(self.tile_list or []), *(self.share_list or [])]:
            context.forget_rows()
        if self.whole is not None:
            self.whole.forget_rows()
        self.staged = 2 if gathered else 1

    cdef list staging_bytes(self, Py_ssize_t rows, bint gathered):
        """Bytes of memory for so many rows of each feed; 0 where rows are read as they lie."""
        cdef Feed* feed
        cdef Py_ssize_t i
        sizes = []
        for i in range(self.n_feeds):
            feed = &self.feeds[i]
            needed = not feed.direct and (gathered or not feed.as_they_lie)
            sizes.append(max(rows * feed.row_bytes, <Py_ssize_t>64) + 64 if needed else 0)
        return sizes

    def check_complete(self):
        """Refuse to run layers that were not told their buffers and parameters."""
        cdef Py_ssize_t k
        cdef Layer layer
        self.checked = False
        for layer in self.layers:
            if layer.output < 0:
                raise RuntimeError("A layer has no buffers.")
            for k in range(layer.n_parameters):
                if layer.parameters[k].offset < 0 or self.weights == NULL:
                    raise RuntimeError("A layer has no parameters.")
        self.checked = True

    cdef check_run(self, const int64_t[::1] order, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t batch_size):
        """Refuse what would read outside of the data or write outside of the buffers."""
        cdef Py_ssize_t i, samples
        self.check_idle()
        self.check_complete()
        if not self.n_feeds:
            raise RuntimeError("The engine has no data.")
        samples = len(self.feed_memory[0][0])
        for entry in self.feed_memory:
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
        if self.staged < (1 if order is None else 2):
            raise RuntimeError("The engine has no room for the rows of its data.")
