"""The compiled engine: runs batches through layers, losses and optimizer without the GIL.

A batch that is small enough is held in memory as a whole, and each thread takes some of its rows through all layers,
forwards and backwards; a larger one passes in tiles, so that what a layer writes is still in the cache when the next
one reads it. Threads meet two or three times a step, when gradients and then parameters can be computed. How rows,
tiles and parameters are divided changes no number: the same seed gives the same bits on any number of threads.

Everything here was checked by the plan and by `cbackprop.engine.compiled`, which builds it; what this
file checks again is only what would be a read or write outside of an array.
"""

import numpy as np

from cpython.buffer cimport PyBUF_C_CONTIGUOUS, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.exc cimport PyErr_CheckSignals
from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from cbackprop.compiled.constraints.projections cimport Projections
from cbackprop.compiled.engine.clock cimport now
from cbackprop.compiled.engine.context cimport CLASSES, Context, Feed, VALUES, WEIGHTS
from cbackprop.compiled.engine.division cimport PARAMETER_STEP, ROW_STEP, TILE_STEP, share
from cbackprop.compiled.engine.failure cimport Failure, take_failure
from cbackprop.compiled.engine.gradients cimport Gradients
from cbackprop.compiled.engine.head cimport Head
from cbackprop.compiled.engine.tables cimport Table
from cbackprop.compiled.engine.team cimport Team, Work
from cbackprop.compiled.kernels.memory cimport address
from cbackprop.compiled.kernels.rows cimport (
    FLOAT16, FLOAT32, FLOAT64, INT8, INT16, INT32, INT64, SparseRows, UINT8, UINT16,
)
from cbackprop.compiled.kernels.vectors cimport all_finite
from cbackprop.compiled.layers.layer cimport Batch, Buffer, Layer, is_alone
from cbackprop.compiled.metrics.tally cimport Tally
from cbackprop.compiled.optimizers.optimizer cimport Optimizer, Segment, SegmentList
from cbackprop.compiled.regularizers.penalties cimport Penalties

# Seconds between two looks at pending signals (and at the progress display), and how often the clock is read: a step
# of the smallest networks takes little longer than that.
cdef double TICK = 0.05
cdef int STEPS_BETWEEN_CLOCKS = 32

# What inputs may be stored as: each batch is turned into the engine's numbers when it is fetched.
STORED = {
    np.dtype(np.int8): INT8, np.dtype(np.uint8): UINT8, np.dtype(np.int16): INT16, np.dtype(np.uint16): UINT16,
    np.dtype(np.int32): INT32, np.dtype(np.int64): INT64, np.dtype(np.float16): FLOAT16,
    np.dtype(np.float32): FLOAT32, np.dtype(np.float64): FLOAT64,
}


cdef void train_thread(void* engine, Py_ssize_t thread) noexcept nogil:
    (<Engine>engine).run_batches(thread)


cdef void predict_thread(void* engine, Py_ssize_t thread) noexcept nogil:
    (<Engine>engine).run_predictions(thread)


cdef class Engine:
    """Layers connected by buffers.

    Parameters
    ----------
    layers : list of Layer
        In the order in which they run.
    widths : list of int
        Elements per sample of each buffer.
    is_double : bool
    """

    cdef readonly list layers
    cdef readonly list heads
    cdef list widths
    cdef dict parameter_memory          # what pointers point into: kept alive here
    cdef Py_ssize_t n_layers, n_heads, n_buffers, n_backward, n_feeds
    cdef PyObject** layer_pointers
    cdef PyObject** head_pointers
    cdef Py_ssize_t* backward_order
    cdef bint* linked                   # layers that a loss has taken over
    cdef bint is_double
    # Memory: contexts whose arenas tiles pass through, contexts that share one arena, and the same arena as a whole
    cdef list tile_list, share_list
    cdef PyObject** tiles
    cdef PyObject** shares
    cdef Context whole
    cdef readonly Py_ssize_t tile_capacity, whole_capacity, head_capacity
    cdef Py_ssize_t n_tiles, n_shares
    # Data
    cdef Feed* feeds
    cdef SparseRows* sparse_rows         # (feeds,)
    cdef list feed_memory
    cdef int staged                     # contexts know these feeds: 1 where the data lies, 2 also gathered
    # Training
    cdef Optimizer optimizer
    cdef SegmentList segments
    cdef Gradients gradients
    cdef list tables                    # whose gradients are not in the gradient vector, but lists of rows
    cdef PyObject** table_pointers
    cdef Py_ssize_t n_tables
    cdef Segment* all_segments          # room for those of flat vectors, and one for each table
    cdef Penalties penalties
    cdef Projections projections
    cdef Team team
    cdef bint checked                   # layers know their buffers and parameters
    cdef readonly bint busy             # inside a run: a signal handler or a finalizer may call us then
    cdef public uint64_t iteration      # training batches so far
    cdef readonly double loss_total     # sum over samples since the last reset
    cdef readonly double loss_count
    cdef double[::1] head_loss_totals
    # The run that threads are in
    cdef const int64_t* order
    cdef Py_ssize_t start, stop, batch_size
    cdef bint tiled, backwards, update, training
    cdef object tick, error
    cdef bint check, found_infinite     # whether inputs are to be checked as they are fetched; what came of it
    cdef bint halt                      # thread 0 to all: stop after this batch
    cdef Failure failure                # what Python code inside of a step raised
    cdef bint* alone                    # layers that see a batch of this run as a whole
    cdef bint any_alone
    cdef bint any_python                # some metric is in Python
    cdef double last_tick
    cdef double[:, ::1] divisors        # (threads, heads): of the current batch
    cdef size_t[::1] results            # addresses of predictions
    cdef Py_ssize_t[::1] result_buffers, result_bytes

    def __cinit__(self, list layers, list widths, bint is_double):
        cdef Layer layer
        cdef Py_ssize_t i
        self.layers = list(layers)
        self.widths = list(widths)
        self.n_layers = len(layers)
        self.n_buffers = len(widths)
        self.is_double = is_double
        self.layer_pointers = <PyObject**>calloc(self.n_layers + 1, sizeof(PyObject*))
        self.backward_order = <Py_ssize_t*>calloc(self.n_layers + 1, sizeof(Py_ssize_t))
        self.linked = <bint*>calloc(self.n_layers + 1, sizeof(bint))
        self.alone = <bint*>calloc(self.n_layers + 1, sizeof(bint))
        if not (self.layer_pointers and self.backward_order and self.linked and self.alone):
            raise MemoryError()
        for i, layer in enumerate(self.layers):
            self.layer_pointers[i] = <PyObject*>layer
            layer.is_double = is_double
            layer.index = i
        self.parameter_memory = {}
        self.heads = []
        self.feed_memory = []
        self.team = Team()

    def __dealloc__(self):
        free(self.layer_pointers)
        free(self.head_pointers)
        free(self.backward_order)
        free(self.linked)
        free(self.alone)
        take_failure(&self.failure)
        free(self.table_pointers)
        free(self.all_segments)
        free(self.tiles)
        free(self.shares)
        free(self.feeds)
        free(self.sparse_rows)

    # Connecting

    cdef check_idle(self):
        """Refuse to touch memory that a run of this engine, further up the stack, is using."""
        if self.busy:
            raise RuntimeError("The model is in the middle of a batch: it cannot be used from a signal handler.")

    cdef Py_ssize_t buffer(self, Py_ssize_t index) except -1:
        if not 0 <= index < self.n_buffers:
            raise IndexError(f"There is no buffer {index}.")
        return index

    def connect(self, Py_ssize_t index, tuple inputs, Py_ssize_t output, int training, unsigned int node):
        """Tell layer `index` its buffers, whether its mode is fixed (0, 1; -1: no), and its number."""
        cdef Layer layer = self.layers[index]
        cdef Py_ssize_t i
        self.check_idle()
        if len(inputs) != layer.n_inputs:
            raise ValueError("The layer has another number of inputs.")
        for i in range(layer.n_inputs):
            layer.inputs[i] = self.buffer(inputs[i])
        layer.output = self.buffer(output)
        layer.training = training
        layer.node = node

    def set_parameter(self, Py_ssize_t index, Py_ssize_t k, value, bint trainable):
        """Tell layer `index` where its parameter `k` lies, and whether its gradient is wanted."""
        cdef Layer layer = self.layers[index]
        self.check_idle()
        if not 0 <= k < layer.n_parameters or value.size != layer.parameters[k].size:
            raise ValueError("The layer has no such parameter.")
        layer.parameters[k].value = address(value, self.float_type(), value.size)
        layer.parameters[k].trainable = trainable
        self.parameter_memory[index, k] = value

    def set_backward(self, list order, list accumulate, list linked):
        """The layers of the backward pass in order, for each which input deltas to add to, and the linked ones."""
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

    def set_heads(self, list heads, list outputs):
        """The heads, and the buffers that they read."""
        cdef Head head
        cdef Py_ssize_t i
        self.check_idle()
        free(self.head_pointers)
        self.n_heads = 0
        self.head_pointers = <PyObject**>calloc(len(heads) + 1, sizeof(PyObject*))
        if self.head_pointers == NULL:
            raise MemoryError()
        self.heads = list(heads)
        for i, head in enumerate(self.heads):
            head.output = self.buffer(outputs[i])
            if head.positions * head.width != self.widths[head.output]:
                raise ValueError("The head does not fit the output.")
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
        if capacity < 1 or capacity % TILE_STEP:
            raise ValueError(f"Tiles have a multiple of {TILE_STEP} rows.")
        self.n_tiles = self.staged = 0
        self.tiles = self.list_contexts(contexts, capacity, self.tiles)
        self.tile_list = contexts
        self.n_tiles, self.tile_capacity = len(contexts), capacity

    def place_whole(self, list contexts, Context whole, Py_ssize_t capacity):
        """A context for each thread to look at its rows of a whole batch, and one to look at all of them."""
        self.check_idle()
        self.n_shares = self.staged = 0
        self.shares = self.list_contexts([*contexts, whole], capacity, self.shares)
        self.share_list = contexts
        self.whole = whole
        self.n_shares, self.whole_capacity = len(contexts), capacity

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

    def allocate_heads(self, Py_ssize_t samples):
        """Make room for the losses and metrics of batches of up to this many samples."""
        cdef Head head
        self.check_idle()
        self.head_capacity = 0
        for head in self.heads:
            head.allocate(samples)
        self.head_capacity = samples

    # Data

    def set_feeds(self, list input_arrays, list inputs, list values, list classes, list weights):
        """The data: arrays of samples, for the model's inputs and for each head's targets and weights.

        Every array is C-contiguous, as long as the others, and of the engine's float type, but classes (int64) and
        weights (float64); inputs may also be of another type, or sparse rows. A head without targets or weights has
        None.
        """
        cdef Py_ssize_t i, width
        cdef Head head
        self.check_idle()
        self.n_feeds = self.staged = 0
        self.feed_memory = []
        free(self.feeds)
        free(self.sparse_rows)
        self.feeds = <Feed*>calloc(len(input_arrays) + 3 * self.n_heads + 1, sizeof(Feed))
        self.sparse_rows = <SparseRows*>calloc(len(input_arrays) + 3 * self.n_heads + 1, sizeof(SparseRows))
        if self.feeds == NULL or self.sparse_rows == NULL:
            raise MemoryError()
        for i in range(len(input_arrays)):
            self.add_feed(input_arrays[i], self.float_type(), self.widths[inputs[i]], self.buffer(inputs[i]), -1, 0)
        for i in range(min(self.n_heads, len(values))):
            head = self.heads[i]
            width = head.positions * head.width
            self.add_feed(values[i], self.float_type(), width, -1, i, VALUES)
            self.add_feed(classes[i], np.int64, head.positions, -1, i, CLASSES)
            self.add_feed(weights[i], np.float64, head.positions, -1, i, WEIGHTS)

    def float_type(self):
        """The NumPy type of the engine's numbers."""
        return np.float64 if self.is_double else np.float32

    cdef add_feed(self, array, dtype, Py_ssize_t width, Py_ssize_t buffer, Py_ssize_t head, int role):
        cdef Feed* feed = &self.feeds[self.n_feeds]
        cdef const unsigned char[::1] data
        if array is None:
            return
        if len(array) == 0:
            raise ValueError("There is no data.")
        feed.width, feed.row_bytes = width, width * np.dtype(dtype).itemsize
        feed.buffer, feed.head, feed.role = buffer, head, role
        if hasattr(array, "starts"):
            self.add_sparse(feed, &self.sparse_rows[self.n_feeds], array, dtype)
        else:
            stored = STORED.get(array.dtype, 0) if buffer >= 0 else 0
            if not (stored or array.dtype == dtype) or not array.flags.c_contiguous or array.size != len(array) * width:
                raise ValueError("An array of data does not fit the network.")
            data = array.reshape(-1).view(np.uint8)
            feed.stored = 0 if array.dtype == dtype else stored
            feed.stored_bytes = width * array.dtype.itemsize
            feed.data = <const char*>&data[0]
            self.feed_memory.append((array, data))
        self.n_feeds += 1

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

    def unstored(self):
        """The buffers whose rows nobody wants with all their zeros."""
        return [self.feeds[i].buffer for i in range(self.n_feeds) if self.feeds[i].direct]

    def stage(self, bint gathered):
        """Make room in the contexts for rows of the feeds that are gathered, or are not read as they are stored."""
        cdef Context context
        self.check_idle()
        for context in self.tile_list or []:
            context.set_staging(self.staging(self.tile_capacity, gathered))
        together = self.staging(self.whole_capacity, gathered)
        for context in [*(self.share_list or []), *([] if self.whole is None else [self.whole])]:
            context.set_staging(together)
        self.staged = 2 if gathered else 1

    cdef list staging(self, Py_ssize_t rows, bint gathered):
        """Memory for so many rows of each feed, or None."""
        cdef Feed* feed
        cdef Py_ssize_t i
        memory = []
        for i in range(self.n_feeds):
            feed = &self.feeds[i]
            needed = not feed.direct and (gathered or feed.stored or feed.sparse != NULL)
            memory.append(np.empty(max(rows * feed.row_bytes, 64) + 64, np.uint8) if needed else None)
        return memory

    def check_complete(self):
        """Refuse to run layers that were not told their buffers and parameters."""
        cdef Py_ssize_t k
        cdef Layer layer
        self.checked = False
        for layer in self.layers:
            if layer.output < 0:
                raise RuntimeError("A layer has no buffers.")
            for k in range(layer.n_parameters):
                if layer.parameters[k].value == NULL:
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

    # Running

    def train(
        self, const int64_t[::1] order, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t batch_size,
        bint tiled, bint update=True, bint training=True, Py_ssize_t threads=1, tick=None,
    ):
        """Train on the samples order[start:stop], a batch at a time, all without the GIL.

        With `tiled`, batches pass in tiles. With `update` False the gradients are left in the gradient vector and
        nothing is changed.
        `tick`, if given, is called about 20 times a second with the number of samples seen.
        """
        self.update = update
        self.run(order, start, stop, batch_size, tiled, True, training, threads, tick)

    def test(
        self, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t batch_size, bint tiled, bint training=False,
        Py_ssize_t threads=1, tick=None,
    ):
        """Loss and metrics of the samples start:stop."""
        self.update = False
        self.run(None, start, stop, batch_size, tiled, False, training, threads, tick)

    cdef run(
        self, const int64_t[::1] order, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t batch_size,
        bint tiled, bint backwards, bint training, Py_ssize_t threads, tick,
    ):
        self.check_run(order, start, stop, batch_size)
        if batch_size > self.head_capacity or threads > (self.n_tiles if tiled else self.n_shares) or (
            not tiled and batch_size > self.whole_capacity
        ):
            raise ValueError("The engine has no memory for such a batch or so many threads.")
        self.tiled = tiled
        self.set_alone(training)
        if tiled and self.any_alone:
            raise ValueError("A layer or a loss must see batches as a whole: they cannot pass in tiles.")
        for table in self.tables or [] if backwards else []:
            if tiled or table.capacity < min(table.rows, batch_size * table.reads):
                raise ValueError("A table has no room for the rows of such a batch.")
        if self.gradients is None and backwards and self.n_backward:
            raise RuntimeError("The engine has no gradients.")
        self.order = &order[0] if order is not None and order.shape[0] else NULL
        self.start, self.stop, self.batch_size = start, stop, batch_size
        self.backwards, self.training = backwards, training
        self.divisors = np.ones((threads, self.n_heads + 1))
        if backwards and tiled and self.gradients is not None:
            self.gradients.set_groups(self.group_count(batch_size))
        self.tick = tick
        self.run_team(train_thread, threads)

    cdef set_alone(self, bint training):
        """Find out which layers and losses see a batch of this run as a whole, and whether metrics may fail."""
        cdef Py_ssize_t i
        cdef Head head
        self.any_alone = self.any_python = False
        for i in range(self.n_layers):
            self.alone[i] = not self.linked[i] and is_alone(<Layer>self.layer_pointers[i], training)
            self.any_alone = self.any_alone or self.alone[i]
        for head in self.heads:
            self.any_alone = self.any_alone or head.is_alone()
            self.any_python = self.any_python or head.calls_python

    cdef run_team(self, Work work, Py_ssize_t threads):
        """Run `work` in threads, this one among them, and raise what went wrong meanwhile."""
        self.halt = False
        self.error = None
        self.last_tick = now()
        self.busy = True
        try:
            self.team.start(threads, work, <void*>self)
            with nogil:
                work(<void*>self, 0)
                self.team.finish()
        finally:
            self.busy = False
            self.tick = None
        failure = take_failure(&self.failure)
        error, self.error = self.error, None
        if failure is not None:
            raise failure
        if error is not None:
            raise error

    def keep_team(self, bint kept):
        """Have threads wait for the next run when one ends, until told otherwise."""
        self.check_idle()
        self.team.kept = kept
        if not kept:
            with nogil:
                self.team.dismiss()

    def forget_team(self):
        """In a child process: threads stayed behind in the parent."""
        self.team.forget()

    cdef void look_up(self, Py_ssize_t done) noexcept nogil:
        """Now and then, with the GIL: signals and the display. What they raise ends the run."""
        cdef double time = now()
        if time - self.last_tick < TICK:
            return
        with gil:
            try:
                PyErr_CheckSignals()
                if self.tick is not None:
                    self.tick(done)
            except BaseException as error:
                self.error = error
                self.halt = True
        self.last_tick = now()

    cdef Py_ssize_t group_count(self, Py_ssize_t rows) noexcept nogil:
        """How many groups of tiles have gradient vectors of their own."""
        return min((rows + self.tile_capacity - 1) // self.tile_capacity, <Py_ssize_t>16)

    cdef void run_batches(self, Py_ssize_t thread) noexcept nogil:
        """What each thread does: its share of every batch."""
        cdef Py_ssize_t position = self.start, rows, steps = 0
        cdef uint64_t iteration = self.iteration
        cdef bint clock_each_step = self.work_of(self.batch_size) > 100_000
        while position < self.stop and not self.halt:
            rows = min(self.batch_size, self.stop - position)
            if not self.run_batch(thread, position, rows, iteration):
                return
            iteration += self.update
            position += rows
            steps += 1
            if thread == 0:
                self.iteration = iteration
                if clock_each_step or steps % STEPS_BETWEEN_CLOCKS == 0:
                    self.look_up(position - self.start)
            self.team.meet(thread)

    cdef Py_ssize_t work_of(self, Py_ssize_t rows) noexcept nogil:
        """Roughly the floating point operations of a step."""
        return rows * (6 * self.segments.elements if self.segments is not None else 100_000)

    cdef bint run_batch(self, Py_ssize_t thread, Py_ssize_t start, Py_ssize_t rows, uint64_t iteration) noexcept nogil:
        """This thread's share of a batch; False, the same in all threads, if it has failed and changed nothing."""
        cdef Py_ssize_t groups = self.group_count(rows) if self.tiled else 1
        self.set_divisors(thread, start, rows)
        if self.penalties is not None:
            self.penalties.evaluate(thread, self.team.size, self.backwards, &self.failure)
        if self.tiled:
            self.run_tiles(thread, start, rows, iteration, groups)
        else:
            self.run_rows(thread, start, rows, iteration)
        if thread == 0 and self.update and self.optimizer is not None:
            self.optimizer.begin_batch(iteration, &self.failure)
        self.team.meet(thread)
        if self.any_python:     # a metric that may fail: before the batch changes anything
            if thread == 0 and self.failure.error == NULL:
                self.add_up(rows)
            self.team.meet(thread)
        if self.failure.error != NULL:
            return False
        if thread == 0 and not self.any_python:
            self.add_up(rows)
        if self.backwards and self.gradients is not None:
            if not self.tiled:
                self.collect(thread)
                self.team.meet(thread)
            if self.segments is not None:
                self.step(thread, groups)
            elif thread == 0:
                self.complete_gradients(groups)
            if self.update and self.projections is not None:
                self.team.meet(thread)
                self.projections.apply(thread, self.team.size, &self.failure)
        if thread == 0 and self.update and self.any_alone:
            self.finish()
        return True

    cdef void complete_gradients(self, Py_ssize_t groups) noexcept nogil:
        """Where there is no optimizer: what `step` does to the gradients."""
        cdef Segment everything = self.gradients.everything()
        self.gradients.merge(&everything, groups)
        if self.penalties is not None:
            self.penalties.add_gradients(&everything)

    cdef void finish(self) noexcept nogil:
        """Let layers that were alone with a batch change what no gradient reaches."""
        cdef Py_ssize_t i
        for i in range(self.n_layers):
            if self.alone[i]:
                (<Layer>self.layer_pointers[i]).finish(&(<Context>self.whole_batch()).batch)

    cdef void set_divisors(self, Py_ssize_t thread, Py_ssize_t start, Py_ssize_t rows) noexcept nogil:
        """What each head's sum is divided by, for which all its weights in the batch may be needed."""
        cdef Py_ssize_t i, h
        for h in range(self.n_heads):
            self.divisors[thread, h] = (<Head>self.head_pointers[h]).divisor(rows, rows)
        for i in range(self.n_feeds):
            if self.feeds[i].role == WEIGHTS and self.feeds[i].buffer < 0:
                h = self.feeds[i].head
                self.divisors[thread, h] = (<Head>self.head_pointers[h]).divisor(
                    rows, self.total_weight(&self.feeds[i], start, rows)
                )

    cdef double total_weight(self, const Feed* feed, Py_ssize_t start, Py_ssize_t rows) noexcept nogil:
        cdef Py_ssize_t r, j, positions = feed.row_bytes // <Py_ssize_t>sizeof(double)
        cdef const double* weights
        cdef double total = 0
        for r in range(start, start + rows):
            weights = <const double*>feed.data + (r if self.order == NULL else self.order[r]) * positions
            for j in range(positions):
                total += weights[j]
        return total

    cdef void run_rows(self, Py_ssize_t thread, Py_ssize_t start, Py_ssize_t rows, uint64_t iteration) noexcept nogil:
        """This thread's rows of a batch that is held as a whole."""
        cdef Py_ssize_t begin = share(rows, ROW_STEP, thread, self.team.size)
        cdef Py_ssize_t end = share(rows, ROW_STEP, thread + 1, self.team.size)
        if thread == 0 and self.team.size > 1:
            self.prepare(self.whole, rows, iteration, 0 if self.backwards else start - self.start)
            self.whole.refer(self.feeds, self.order, start)
        if begin < end or self.any_alone:
            self.run_samples(thread, <Context>self.shares[thread], begin, start, begin, end - begin, iteration)

    cdef void run_tiles(
        self, Py_ssize_t thread, Py_ssize_t start, Py_ssize_t rows, uint64_t iteration, Py_ssize_t groups
    ) noexcept nogil:
        """This thread's groups of tiles, and their gradients."""
        cdef Py_ssize_t count = (rows + self.tile_capacity - 1) // self.tile_capacity, group, first, i, begin, end
        for group in range(groups * thread // self.team.size, groups * (thread + 1) // self.team.size):
            first = count * group // groups
            for i in range(first, count * (group + 1) // groups):
                begin, end = share(rows, TILE_STEP, i, count), share(rows, TILE_STEP, i + 1, count)
                self.run_samples(thread, <Context>self.tiles[thread], 0, start, begin, end - begin, iteration)
                if self.backwards and self.gradients is not None:
                    self.gradients.collect_tile(&(<Context>self.tiles[thread]).batch, group, i > first)

    cdef void run_samples(
        self, Py_ssize_t thread, Context context, Py_ssize_t place, Py_ssize_t start, Py_ssize_t begin,
        Py_ssize_t rows, uint64_t iteration,
    ) noexcept nogil:
        """Rows from `begin` on of the batch that begins at `start`, through all layers and back."""
        cdef Py_ssize_t i, layer
        context.show(place, rows)
        self.prepare(context, rows, iteration, begin if self.backwards else start - self.start + begin)
        if rows:
            context.fetch(self.feeds, self.order, start + begin)
        for i in range(self.n_layers):
            if self.alone[i]:
                self.run_alone(thread, i, False)
            elif rows and not self.linked[i]:
                (<Layer>self.layer_pointers[i]).forward(&context.batch)
        for i in range(self.n_heads):
            self.run_head(thread, <Head>self.head_pointers[i], i, context, begin)
        if not self.backwards:
            return
        for i in range(self.n_backward):
            layer = self.backward_order[i]
            if self.alone[layer]:
                self.run_alone(thread, layer, True)
            elif rows:
                (<Layer>self.layer_pointers[layer]).backward(&context.batch)

    cdef void prepare(self, Context context, Py_ssize_t rows, uint64_t iteration, Py_ssize_t first) noexcept nogil:
        context.batch.rows = rows
        context.batch.training = self.training
        context.batch.iteration = iteration
        context.batch.first = first

    cdef PyObject* whole_batch(self) noexcept nogil:
        """The context that sees all samples of a batch held as a whole."""
        return <PyObject*>self.whole if self.team.size > 1 else self.shares[0]

    cdef void run_alone(self, Py_ssize_t thread, Py_ssize_t layer, bint back) noexcept nogil:
        """Have the first thread run a layer on the whole batch, while the others wait."""
        cdef const Batch* batch = &(<Context>self.whole_batch()).batch
        self.team.meet(thread)
        if thread == 0 and self.failure.error == NULL:
            if back:
                (<Layer>self.layer_pointers[layer]).backward(batch)
            else:
                (<Layer>self.layer_pointers[layer]).forward(batch)
        self.team.meet(thread)

    cdef void run_head(
        self, Py_ssize_t thread, Head head, Py_ssize_t i, Context context, Py_ssize_t begin
    ) noexcept nogil:
        """Losses and metrics of this thread's samples; or of all, by the first thread, if the loss must see all."""
        cdef double divisor = self.divisors[thread, i]
        cdef PyObject* whole
        if not head.is_alone():
            if context.batch.rows:
                head.run(&context.batch, &context.targets[i], begin, divisor, self.backwards)
            return
        self.team.meet(thread)
        if thread == 0 and self.failure.error == NULL:
            whole = self.whole_batch()
            head.run(&(<Context>whole).batch, &(<Context>whole).targets[i], 0, divisor, self.backwards)
        self.team.meet(thread)

    cdef void add_up(self, Py_ssize_t rows) noexcept nogil:
        """Losses and metrics of a batch, by one thread."""
        cdef Py_ssize_t i
        cdef double loss
        cdef bint weighted
        for i in range(self.n_heads):
            weighted = (<Context>(self.tiles[0] if self.tiled else self.shares[0])).targets[i].weights != NULL
            loss = (<Head>self.head_pointers[i]).add_up(rows, weighted, self.divisors[0, i])
            self.head_loss_totals[i] += loss * rows
            self.loss_total += (<Head>self.head_pointers[i]).loss_weight * loss * rows
        if self.penalties is not None:
            self.loss_total += self.penalties.total() * rows
        self.loss_count += rows

    cdef void collect(self, Py_ssize_t thread) noexcept nogil:
        """This thread's parts of the gradient of a batch that is held as a whole."""
        cdef Batch batch = (<Context>self.whole_batch()).batch      # seen by all threads, so each works with a copy
        cdef Py_ssize_t i
        batch.workspace = (<Context>self.shares[thread]).batch.workspace
        self.gradients.collect_share(&batch, thread, self.team.size)
        for i in range(self.n_tables):
            if i % self.team.size == thread:
                (<Table>self.table_pointers[i]).collect(&batch)

    cdef void step(self, Py_ssize_t thread, Py_ssize_t groups) noexcept nogil:
        """Add up the groups' gradients and take the optimizer's step, over this thread's share of each segment.

        Where an optimizer works on whole variables, some of the segments are this thread's share.
        """
        cdef bint update = self.update and self.optimizer is not None
        cdef bint alone = update and self.optimizer.limits_norms()
        cdef bint whole = update and self.optimizer.whole
        cdef Py_ssize_t threads = 1 if alone else self.team.size, i, begin, end
        cdef Segment part
        if alone and thread > 0:
            return
        for i in range(self.segments.size):
            begin = share(self.segments.items[i].size, PARAMETER_STEP, thread, threads)
            end = share(self.segments.items[i].size, PARAMETER_STEP, thread + 1, threads)
            if whole:
                begin = 0
                end = self.segments.items[i].size if self.segments.owner(i, threads) == thread else 0
            if begin == end:
                continue
            part = self.segments.part(i, begin, end)
            self.gradients.merge(&part, groups)
            if self.penalties is not None:
                self.penalties.add_gradients(&part)
            if update and not alone:
                self.optimizer.step_part(&part)
        if alone:
            self.step_alone()
        elif update:
            for i in range(self.n_tables):
                self.step_table(thread, <Table>self.table_pointers[i])

    cdef void step_table(self, Py_ssize_t thread, Table table) noexcept nogil:
        """The optimizer's step over this thread's share of the rows that the batch has reached."""
        cdef Py_ssize_t begin = share(table.sums.count, PARAMETER_STEP, thread, self.team.size)
        cdef Py_ssize_t end = share(table.sums.count, PARAMETER_STEP, thread + 1, self.team.size)
        cdef Segment part
        if begin == end:
            return
        part = table.part(begin, end)
        table.copy(begin, end, False)
        self.optimizer.step_part(&part)
        table.copy(begin, end, True)

    cdef void step_alone(self) noexcept nogil:
        """The optimizer's step over everything, by one thread, because norms of whole gradients are needed."""
        cdef Py_ssize_t n = self.segments.size, i
        if self.n_tables == 0:
            self.optimizer.step(self.segments.items, n)
            return
        for i in range(n):
            self.all_segments[i] = self.segments.items[i]
        for i in range(self.n_tables):
            self.copy_table(<Table>self.table_pointers[i], False)
            self.all_segments[n + i] = (<Table>self.table_pointers[i]).part(
                0, (<Table>self.table_pointers[i]).sums.count
            )
        self.optimizer.step(self.all_segments, n + self.n_tables)
        for i in range(self.n_tables):
            self.copy_table(<Table>self.table_pointers[i], True)

    cdef void copy_table(self, Table table, bint back) noexcept nogil:
        table.copy(0, table.sums.count, back)

    # Derivatives of single samples

    def jacobian(
        self, Py_ssize_t start, Py_ssize_t stop, Gradients gradients, derivatives, double[::1] errors,
        bint training=True,
    ):
        """Errors of the numbers predicted for the samples start:stop, and the derivatives of each.

        derivatives (numbers, parameters) of the engine's float type, of which `gradients` describes a row, and errors
        (numbers,): prediction - target, sample by sample, in a sample head by head, of those heads that have a loss.
        """
        cdef Py_ssize_t numbers = 0, begin
        cdef Head head
        self.check_run(None, start, stop, 1)
        for head in self.heads:
            numbers += head.positions * head.width if head.loss is not None else 0
        if not self.n_tiles or any(self.linked[i] for i in range(self.n_layers)):
            raise RuntimeError("The engine has no memory, or a loss has taken over a layer.")
        if derivatives.ndim != 2 or gradients.size > derivatives.shape[1] or (
            not derivatives.shape[0] == errors.shape[0] == (stop - start) * numbers
        ):
            raise ValueError("The arrays do not fit the network.")
        self.order, self.training = NULL, training
        cdef char* rows = <char*>address(derivatives, self.float_type(), derivatives.size)
        cdef Py_ssize_t row_bytes = derivatives.shape[1] * derivatives.itemsize
        self.busy = True
        try:
            with nogil:
                begin = start
                while begin < stop and self.failure.error == NULL:
                    self.differentiate(
                        <Context>self.tiles[0], begin, min(self.tile_capacity, stop - begin), numbers, gradients,
                        rows + (begin - start) * numbers * row_bytes, row_bytes, &errors[(begin - start) * numbers],
                    )
                    begin += self.tile_capacity
        finally:
            self.busy = False
        failure = take_failure(&self.failure)
        if failure is not None:
            raise failure

    cdef void differentiate(
        self, Context context, Py_ssize_t begin, Py_ssize_t rows, Py_ssize_t numbers, Gradients gradients,
        char* derivatives, Py_ssize_t row_bytes, double* errors,
    ) noexcept nogil:
        """A tile: a pass forwards and back for each predicted number. Layers may destroy what they have read."""
        cdef Py_ssize_t h, k, i, r, number = 0
        for h in range(self.n_heads):
            if (<Head>self.head_pointers[h]).loss is None:
                continue
            for k in range((<Head>self.head_pointers[h]).positions * (<Head>self.head_pointers[h]).width):
                context.show(0, rows)
                self.prepare(context, rows, self.iteration, begin)
                context.fetch(self.feeds, NULL, begin)
                for i in range(self.n_layers):
                    (<Layer>self.layer_pointers[i]).forward(&context.batch)
                for i in range(self.n_heads):
                    self.seed(context, i, k if i == h else -1, numbers, errors + number)
                for i in range(self.n_backward):
                    (<Layer>self.layer_pointers[self.backward_order[i]]).backward(&context.batch)
                for r in range(rows):
                    context.show(r, 1)
                    self.prepare(context, 1, self.iteration, begin + r)
                    context.refer(self.feeds, NULL, begin + r)
                    gradients.collect_all(&context.batch, derivatives + (r * numbers + number) * row_bytes, False)
                number += 1

    cdef void seed(
        self, Context context, Py_ssize_t h, Py_ssize_t k, Py_ssize_t numbers, double* errors
    ) noexcept nogil:
        """The deltas of a head: 1 for number k of each sample, whose errors are noted, else 0 (k = -1: all 0)."""
        cdef Py_ssize_t width = (<Head>self.head_pointers[h]).positions * (<Head>self.head_pointers[h]).width, r
        cdef Buffer* buffer = &context.batch.buffers[(<Head>self.head_pointers[h]).output]
        cdef const void* targets = context.targets[h].values
        if (<Head>self.head_pointers[h]).loss is None or buffer.delta == NULL:
            return
        memset(buffer.delta, 0, context.batch.rows * width * (8 if self.is_double else 4))
        if k < 0:
            return
        for r in range(context.batch.rows):
            if self.is_double:
                (<double*>buffer.delta)[r * width + k] = 1
                errors[r * numbers] = (<double*>buffer.value)[r * width + k] - (<double*>targets)[r * width + k]
            else:
                (<float*>buffer.delta)[r * width + k] = 1
                errors[r * numbers] = (
                    <double>(<float*>buffer.value)[r * width + k] - (<float*>targets)[r * width + k]
                )

    # Predicting

    def predict(
        self, Py_ssize_t start, Py_ssize_t stop, list outputs, list results, bint training=False,
        Py_ssize_t threads=1, tick=None, bint check=False,
    ):
        """Write the buffers `outputs` of the samples start:stop into the arrays `results`.

        False if `check` and a number of the inputs is NaN or infinite: then the results are of no use.
        """
        cdef Py_ssize_t n_outputs = len(outputs), i
        cdef Py_ssize_t itemsize = 8 if self.is_double else 4
        self.check_run(None, start, stop, 1)
        if threads > self.n_tiles:
            raise ValueError("The engine has no memory for so many threads.")
        self.results = np.zeros(n_outputs + 1, np.uintp)
        self.result_buffers = np.zeros(n_outputs + 1, np.intp)
        self.result_bytes = np.zeros(n_outputs + 1, np.intp)
        for i in range(n_outputs):
            self.result_buffers[i] = self.buffer(outputs[i])
            self.result_bytes[i] = self.widths[outputs[i]] * itemsize
            if results[i].size != (stop - start) * self.widths[outputs[i]]:
                raise ValueError("A result does not fit its output.")
            self.results[i] = <size_t>address(results[i], self.float_type(), results[i].size)
        self.order = NULL
        self.start, self.stop, self.training, self.tick = start, stop, training, tick
        self.check, self.found_infinite = check, False
        self.run_team(predict_thread, threads)
        return not self.found_infinite

    cdef void run_predictions(self, Py_ssize_t thread) noexcept nogil:
        """What each thread does: some of the tiles."""
        cdef Py_ssize_t rows = self.stop - self.start, i, begin, end
        cdef Py_ssize_t count = (rows + self.tile_capacity - 1) // self.tile_capacity
        for i in range(count * thread // self.team.size, count * (thread + 1) // self.team.size):
            if self.halt:
                return
            begin, end = share(rows, TILE_STEP, i, count), share(rows, TILE_STEP, i + 1, count)
            self.predict_samples(<Context>self.tiles[thread], begin, end - begin)
            if self.failure.error != NULL or self.found_infinite:
                return
            if thread == 0:
                self.look_up(end)

    cdef void predict_samples(self, Context context, Py_ssize_t begin, Py_ssize_t rows) noexcept nogil:
        """The last layers write where the results are wanted."""
        cdef Py_ssize_t outputs = self.results.shape[0] - 1, k
        context.show(0, rows)
        context.fetch(self.feeds, NULL, self.start + begin)
        if self.check and not self.inputs_finite(context):
            self.found_infinite = True
            return
        for k in range(outputs):
            context.batch.buffers[self.result_buffers[k]].value = (
                <char*>self.results[k] + begin * self.result_bytes[k]
            )
        self.run_layers(context, begin)
        for k in range(outputs):
            context.batch.buffers[self.result_buffers[k]].value = context.base[self.result_buffers[k]].value

    cdef bint inputs_finite(self, Context context) noexcept nogil:
        """Whether the inputs of these samples hold neither NaN nor infinity. That brings them into the cache, too."""
        cdef Py_ssize_t i, n
        cdef const void* value
        for i in range(self.n_feeds):
            n = context.batch.rows * self.feeds[i].width
            value = context.batch.buffers[self.feeds[i].buffer].value
            if self.feeds[i].sparse != NULL:
                continue
            if not (all_finite(n, <const double*>value) if self.is_double else all_finite(n, <const float*>value)):
                return False
        return True

    cdef void run_layers(self, Context context, Py_ssize_t begin) noexcept nogil:
        """All layers forwards, for a prediction."""
        cdef Py_ssize_t i
        context.batch.training = self.training
        context.batch.iteration = self.iteration
        context.batch.first = begin
        for i in range(self.n_layers):
            (<Layer>self.layer_pointers[i]).forward(&context.batch)

    def predict_now(self, x, result, Py_ssize_t source, Py_ssize_t output):
        """Write the buffer `output` of a few samples into `result`, given that of the buffer `source`.

        What `predict` does, for contiguous arrays of one input and one output, without what that costs in Python:
        a network of 8-64-64-4 takes half a microsecond. False, and nothing is done, if a value is not finite.
        """
        cdef Context context
        cdef Py_ssize_t itemsize = 8 if self.is_double else 4, rows
        cdef Py_buffer given, wanted
        cdef bint finite
        self.check_idle()
        if not self.n_tiles or not self.checked:
            raise RuntimeError("The engine has no memory.")
        context = self.tile_list[0]
        PyObject_GetBuffer(x, &given, PyBUF_C_CONTIGUOUS)
        try:
            PyObject_GetBuffer(result, &wanted, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
            try:
                rows = given.len // (context.base[self.buffer(source)].width * itemsize)
                if (
                    rows > context.capacity or given.itemsize != itemsize or wanted.itemsize != itemsize
                    or given.len != rows * context.base[source].width * itemsize
                    or wanted.len != rows * context.base[self.buffer(output)].width * itemsize
                ):
                    raise ValueError("An array does not fit the network.")
                self.training = False
                self.busy = True
                with nogil:
                    if self.is_double:
                        finite = all_finite(given.len // itemsize, <const double*>given.buf)
                    else:
                        finite = all_finite(given.len // itemsize, <const float*>given.buf)
                    if finite:
                        context.show(0, rows)
                        context.batch.buffers[source].value = given.buf
                        context.batch.buffers[source].sparse = NULL
                        context.batch.buffers[output].value = wanted.buf
                        self.run_layers(context, 0)
                        context.batch.buffers[output].value = context.base[output].value
                self.busy = False
                error = take_failure(&self.failure)
                if error is not None:
                    raise error
                return finite
            finally:
                PyBuffer_Release(&wanted)
        finally:
            PyBuffer_Release(&given)

    # Results

    def reset(self):
        """Start new means of losses and metrics."""
        cdef Head head
        self.check_idle()
        self.loss_total = self.loss_count = 0
        self.head_loss_totals[:] = 0
        for head in self.heads:
            head.reset()

    def sums(self):
        """Everything added up since the last reset, but the metrics."""
        return self.loss_total, self.loss_count, self.head_losses()

    def set_sums(self, double loss_total, double loss_count, list head_losses):
        """Go on adding to what `sums` returned."""
        cdef Py_ssize_t i
        self.check_idle()
        self.loss_total = loss_total
        self.loss_count = loss_count
        for i in range(len(head_losses)):
            self.head_loss_totals[i] = head_losses[i]

    def head_losses(self):
        """Sum over samples of each head's loss since the last reset."""
        return list(self.head_loss_totals)
