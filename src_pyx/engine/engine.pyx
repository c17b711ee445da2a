"""The compiled engine: runs batches through layers, losses and optimizer without the GIL.

Everything here was checked by the plan and by `cbackprop.engine.compiled`, which builds it; what this
file checks again is only what would be a write outside of an array.
"""

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from cbackprop.compiled.engine.head cimport Head
from cbackprop.compiled.kernels.memory cimport address
from cbackprop.compiled.layers.layer cimport Batch, Buffer, Layer
from cbackprop.compiled.optimizers.optimizer cimport Optimizer, SegmentList

cdef extern from "<time.h>" nogil:
    ctypedef long time_t
    cdef struct timespec:
        time_t tv_sec
        long tv_nsec
    int timespec_get(timespec* ts, int base)
    int TIME_UTC

# Seconds between two looks at pending signals (and at the progress display).
cdef double TICK = 0.05


cdef double now() noexcept nogil:
    cdef timespec t
    timespec_get(&t, TIME_UTC)
    return <double>t.tv_sec + 1e-9 * <double>t.tv_nsec


cdef struct Feed:
    const char* data        # all rows
    Py_ssize_t row_bytes
    char* staging           # room for the rows of one batch
    const void** reader     # where the reader of the batch looks for its address


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
    cdef list heads
    cdef object memory                  # what pointers point into: kept alive here
    cdef dict parameter_memory
    cdef Py_ssize_t n_layers, n_heads, n_buffers, n_backward, n_feeds
    cdef PyObject** layer_pointers
    cdef PyObject** head_pointers
    cdef Buffer* buffers
    cdef Py_ssize_t* backward_order
    cdef bint* linked                   # layers that a loss has taken over
    cdef Feed* feeds
    cdef list feed_memory
    cdef readonly Py_ssize_t capacity
    cdef readonly bint busy                      # inside a run: a signal handler or a finalizer may call us then
    cdef bint is_double
    cdef Optimizer optimizer
    cdef SegmentList segments
    cdef public uint64_t iteration      # training batches so far
    cdef readonly double loss_total     # sum over samples since the last reset
    cdef readonly double loss_count
    cdef double[::1] head_loss_totals

    def __cinit__(self, list layers, list widths, bint is_double):
        cdef Layer layer
        cdef Py_ssize_t i
        self.layers = list(layers)
        self.n_layers = len(layers)
        self.n_buffers = len(widths)
        self.is_double = is_double
        self.layer_pointers = <PyObject**>calloc(self.n_layers + 1, sizeof(PyObject*))
        self.backward_order = <Py_ssize_t*>calloc(self.n_layers + 1, sizeof(Py_ssize_t))
        self.linked = <bint*>calloc(self.n_layers + 1, sizeof(bint))
        self.buffers = <Buffer*>calloc(self.n_buffers + 1, sizeof(Buffer))
        if not (self.layer_pointers and self.backward_order and self.linked and self.buffers):
            raise MemoryError()
        for i, layer in enumerate(self.layers):
            self.layer_pointers[i] = <PyObject*>layer
            layer.is_double = is_double
        for i in range(self.n_buffers):
            self.buffers[i].width = widths[i]
        self.parameter_memory = {}
        self.heads = []

    def __dealloc__(self):
        free(self.layer_pointers)
        free(self.head_pointers)
        free(self.backward_order)
        free(self.linked)
        free(self.buffers)
        free(self.feeds)

    # Connecting

    cdef check_idle(self):
        """Refuse to touch memory that a run of this engine, further up the stack, is using."""
        if self.busy:
            raise RuntimeError("The model is in the middle of a batch: it cannot be used from a signal handler.")

    cdef Buffer* buffer(self, Py_ssize_t index) except NULL:
        if not 0 <= index < self.n_buffers:
            raise IndexError(f"There is no buffer {index}.")
        return &self.buffers[index]

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

    def set_parameter(self, Py_ssize_t index, Py_ssize_t k, value, gradient, bint accumulate):
        """Tell layer `index` where its parameter `k` lies, and where its gradient goes (None: nowhere)."""
        cdef Layer layer = self.layers[index]
        self.check_idle()
        if not 0 <= k < layer.n_parameters :
            raise ValueError("The layer has no such parameter.")
        layer.parameters[k].value = address(value, self.float_type(), value.size)
        layer.parameters[k].gradient = NULL if gradient is None else address(gradient, self.float_type(), value.size)
        layer.parameters[k].size = value.size
        layer.parameters[k].accumulate = accumulate
        self.parameter_memory[index, k] = (value, gradient)

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
            head.prediction = self.buffer(outputs[i])
            if head.positions * head.width != head.prediction.width:
                raise ValueError("The head does not fit the output.")
            self.head_pointers[i] = <PyObject*>head
        self.n_heads = len(heads)
        self.head_loss_totals = np.zeros(max(self.n_heads, 1))

    def set_optimizer(self, Optimizer optimizer, SegmentList segments):
        """The optimizer, and what it works on."""
        self.check_idle()
        self.optimizer = optimizer
        self.segments = segments

    def place(self, Py_ssize_t capacity, arena, list value_offsets, list delta_offsets, list scratch_offsets):
        """Give every buffer its place in the arena (None: it has none), for batches of up to `capacity` samples."""
        cdef Py_ssize_t i
        cdef Layer layer
        cdef Head head
        self.check_idle()
        self.capacity = 0
        for head in self.heads:
            head.allocate(capacity)
        self.memory = (self.memory, arena)  # both, until every pointer has moved
        for i in range(self.n_buffers):
            self.buffers[i].value = self.at(arena, value_offsets[i], capacity * self.buffers[i].width)
            self.buffers[i].delta = self.at(arena, delta_offsets[i], capacity * self.buffers[i].width)
        for i in range(self.n_layers):
            layer = self.layers[i]
            layer.scratch = self.at(arena, scratch_offsets[i], capacity * layer.scratch_width)
        self.memory = arena
        self.capacity = capacity

    cdef void* at(self, arena, offset, Py_ssize_t size) except? NULL:
        if offset is None or size == 0:
            return NULL
        return address(arena[offset:], self.float_type(), size)

    # Data

    def set_feeds(self, list input_arrays, list inputs, list values, list classes, list weights):
        """The data: arrays of samples, for the model's inputs and for each head's targets and weights.

        Every array is C-contiguous, as long as the others, and of the engine's float type, but
        classes (int64) and weights (float64). A head without targets or weights has None.
        """
        cdef Py_ssize_t i, width
        cdef Head head
        self.check_idle()
        self.n_feeds = 0
        self.feed_memory = []
        free(self.feeds)
        self.feeds = <Feed*>calloc(len(input_arrays) + 3 * self.n_heads + 1, sizeof(Feed))
        if self.feeds == NULL:
            raise MemoryError()
        for i in range(len(input_arrays)):
            buffer = self.buffer(inputs[i])
            self.add_feed(input_arrays[i], self.float_type(), buffer.width, <const void**>&buffer.value)
        for i in range(min(self.n_heads, len(values))):
            head = self.heads[i]
            head.values = head.classes = NULL
            head.weights = NULL
            width = head.positions * head.width
            self.add_feed(values[i], self.float_type(), width, &head.values)
            self.add_feed(classes[i], np.int64, head.positions, <const void**>&head.classes)
            self.add_feed(weights[i], np.float64, head.positions, <const void**>&head.weights)

    def float_type(self):
        """The NumPy type of the engine's numbers."""
        return np.float64 if self.is_double else np.float32

    cdef add_feed(self, array, dtype, Py_ssize_t width, const void** reader):
        cdef Feed* feed = &self.feeds[self.n_feeds]
        cdef const unsigned char[::1] data
        cdef unsigned char[::1] staging
        if array is None:
            return
        if array.dtype != dtype or not array.flags.c_contiguous or array.size != array.shape[0] * width:
            raise ValueError("An array of data does not fit the network.")
        if array.shape[0] == 0:
            raise ValueError("There is no data.")
        data = array.reshape(-1).view(np.uint8)
        feed.row_bytes = width * array.dtype.itemsize
        staging = np.empty(max(feed.row_bytes * self.capacity, 1), np.uint8)
        feed.data = <const char*>&data[0]
        feed.staging = <char*>&staging[0]
        feed.reader = reader
        self.feed_memory.append((array, data, staging))
        self.n_feeds += 1

    cdef check_complete(self, Layer layer):
        """Refuse to run a layer that was not told its buffers and parameters."""
        cdef Py_ssize_t k
        if layer.output == NULL or layer.output.value == NULL:
            raise RuntimeError("A layer has no buffers.")
        for k in range(layer.n_parameters):
            if layer.parameters[k].value == NULL:
                raise RuntimeError("A layer has no parameters.")

    cdef void fetch(self, const int64_t* order, Py_ssize_t start, Py_ssize_t rows) noexcept nogil:
        """Make one batch readable: in place where its rows follow each other, gathered otherwise."""
        cdef Py_ssize_t i, r
        cdef Feed* feed
        for i in range(self.n_feeds):
            feed = &self.feeds[i]
            if order == NULL:
                feed.reader[0] = feed.data + start * feed.row_bytes
                continue
            for r in range(rows):
                memcpy(feed.staging + r * feed.row_bytes, feed.data + order[start + r] * feed.row_bytes, feed.row_bytes)
            feed.reader[0] = feed.staging

    # Running

    cdef void forward(self, const Batch* batch, bint with_heads) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(self.n_layers):
            if not (with_heads and self.linked[i]):
                (<Layer>self.layer_pointers[i]).forward(batch)

    cdef void backward(self, const Batch* batch) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(self.n_backward):
            (<Layer>self.layer_pointers[self.backward_order[i]]).backward(batch)

    cdef void judge(self, const Batch* batch, bint with_delta) noexcept nogil:
        """Losses, deltas and metrics of all heads."""
        cdef Py_ssize_t i
        cdef double loss
        for i in range(self.n_heads):
            (<Head>self.head_pointers[i]).run(batch, with_delta)
            loss = (<Head>self.head_pointers[i]).batch_loss
            self.head_loss_totals[i] += loss * batch.rows
            self.loss_total += (<Head>self.head_pointers[i]).loss_weight * loss * batch.rows
        self.loss_count += batch.rows

    cdef check_range(self, const int64_t[::1] order, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t batch_size):
        """Refuse what would read outside of the data or write outside of the buffers."""
        cdef Py_ssize_t i, samples = len(self.feed_memory[0][0])
        self.check_idle()
        for layer in self.layers:
            self.check_complete(layer)
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
        if not 1 <= batch_size <= self.capacity:
            raise ValueError("The batch is larger than the buffers.")

    def train(
        self, const int64_t[::1] order, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t batch_size,
        double learning_rate, bint update=True, bint training=True, tick=None,
    ):
        """Train on the samples order[start:stop], a batch at a time, all without the GIL.

        With `update` False the gradients are left in the gradient vector and nothing is changed.
        `tick`, if given, is called about 20 times a second with the number of samples seen.
        """
        cdef Batch batch
        cdef Py_ssize_t position = start
        cdef const int64_t* rows = NULL
        cdef double last
        self.check_range(order, start, stop, batch_size)
        if order is not None and order.shape[0]:
            rows = &order[0]
        batch.training = training
        batch.first = 0
        self.busy = True
        try:
            with nogil:
                last = now()
                while position < stop:
                    batch.rows = min(batch_size, stop - position)
                    batch.iteration = self.iteration
                    self.fetch(rows, position, batch.rows)
                    self.forward(&batch, True)
                    self.judge(&batch, True)
                    self.backward(&batch)
                    if update:
                        self.iteration += 1
                        if self.optimizer is not None:
                            self.optimizer.step(learning_rate, self.iteration, self.segments.items, self.segments.size)
                    position += batch.rows
                    if now() - last > TICK:
                        with gil:
                            PyErr_CheckSignals()
                            if tick is not None:
                                tick(position - start)
                        last = now()
        finally:
            self.busy = False

    def test(self, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t batch_size, bint training=False, tick=None):
        """Loss and metrics of the samples start:stop."""
        self.infer(start, stop, batch_size, [], [], True, training, tick)

    def predict(self, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t batch_size, list outputs, list results,
                bint training=False, tick=None):
        """Write the buffers `outputs` of the samples start:stop into the arrays `results`."""
        self.infer(start, stop, batch_size, outputs, results, False, training, tick)

    cdef infer(self, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t batch_size, list outputs, list results,
               bint with_heads, bint training, tick):
        cdef Batch batch
        cdef Py_ssize_t position = start, i, n_outputs = len(outputs)
        cdef Py_ssize_t itemsize = 8 if self.is_double else 4
        cdef size_t[::1] targets = np.zeros(n_outputs + 1, np.uintp)    # addresses
        cdef size_t[::1] sources = np.zeros(n_outputs + 1, np.uintp)
        cdef size_t[::1] row_bytes = np.zeros(n_outputs + 1, np.uintp)
        cdef unsigned char[::1] result
        cdef double last
        self.check_range(None, start, stop, batch_size)
        keep = []
        for i in range(n_outputs):
            source = self.buffer(outputs[i])
            result = results[i].reshape(-1).view(np.uint8)
            if result.shape[0] != (stop - start) * source.width * itemsize or result.shape[0] == 0:
                raise ValueError("A result does not fit its output.")
            sources[i] = <size_t>source.value
            targets[i] = <size_t>&result[0]
            row_bytes[i] = source.width * itemsize
            keep.append(result)
        batch.training = training
        batch.iteration = self.iteration
        self.busy = True
        try:
            with nogil:
                last = now()
                while position < stop:
                    batch.rows = min(batch_size, stop - position)
                    batch.first = position - start
                    self.fetch(NULL, position, batch.rows)
                    self.forward(&batch, with_heads)
                    if with_heads:
                        self.judge(&batch, False)
                    for i in range(n_outputs):
                        memcpy(
                            <char*>targets[i] + (position - start) * row_bytes[i], <char*>sources[i],
                            batch.rows * row_bytes[i],
                        )
                    position += batch.rows
                    if now() - last > TICK:
                        with gil:
                            PyErr_CheckSignals()
                            if tick is not None:
                                tick(position - start)
                        last = now()
        finally:
            self.busy = False

    # Results

    def reset(self):
        """Start new means of losses and metrics."""
        cdef Head head
        self.check_idle()
        self.loss_total = self.loss_count = 0
        self.head_loss_totals[:] = 0
        for head in self.heads:
            for metric in head.metrics:
                metric.reset()

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
