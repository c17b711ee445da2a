"""The base of a compiled layer. Other packages may `cimport` it to add their own."""

from cpython.ref cimport PyObject
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from cbackprop.compiled.engine.failure cimport Failure
from cbackprop.compiled.kernels.rows cimport SparseRows


cdef struct Buffer:
    void* value             # (rows, width): what a layer computed
    void* delta             # (rows, width): dL/dvalue; NULL where it is not needed
    Py_ssize_t width        # elements in one row
    const SparseRows* sparse    # the value as sparse rows, if all layers that read it take these; else NULL


cdef struct Parameter:
    Py_ssize_t offset       # bytes from `Batch.weights` to its first element
    Py_ssize_t size         # elements
    Py_ssize_t grain        # parts of its gradient may begin at multiples of this


cdef struct LayerMemory:
    # Bytes that a layer needs besides its buffers.
    Py_ssize_t sample       # for each sample, kept from the forward to the backward pass: `scratch_of`
    Py_ssize_t batch        # for the whole batch, kept until the end of the step, shared by all threads: `shared_of`
    Py_ssize_t thread       # for each thread, overwritten by the next layer that it runs: `Batch.workspace`


cdef struct Batch:
    # Samples that go through the layers together, and the places of their numbers in memory. Threads run a layer with
    # different batches at the same time, so `forward`, `backward` and `collect` must not change the layer itself.
    Py_ssize_t rows         # samples
    bint training
    uint64_t iteration      # training batches so far, from which random layers draw
    Py_ssize_t first        # samples of the same iteration before these
    Py_ssize_t offset       # samples of the same batch before these
    Py_ssize_t total        # samples of that batch
    Buffer* buffers         # by number
    char* weights           # all weights of the model; those of a layer are at the offsets of its parameters
    void** scratch          # by the layer's index: `LayerMemory.sample` bytes for each sample
    void** shared           # by the layer's index: `LayerMemory.batch` bytes
    void* workspace         # memory of this thread, as much as the layers need; each layer may overwrite it
    # 0: matrix products by tiles; else by BLAS, on blocks of this many samples, which do not depend on threads
    Py_ssize_t blas_rows
    Failure* failure        # stores the exception of a layer in Python


cdef struct RowSums:
    # The gradient of a table, for the rows that a batch has read.
    void* gradients         # (capacity, width): the sums of rows, in the order of their first use
    Py_ssize_t* rows        # (capacity,): the numbers of these rows
    int* places             # (rows of the table,): the place of each row's sum, from 1 on; 0: it has none
    Py_ssize_t count        # rows that were read
    Py_ssize_t row_bytes    # of a sum


cdef enum:
    # When a sample's output depends on the other samples of its batch.
    NEVER = 0
    IN_TRAINING = 1
    ALWAYS = 2


cdef enum:
    # The kinds of phases of a layer's forward or backward pass.
    ROWS = 0        # each thread works on its own samples, without waiting for others
    ITEMS = 1       # threads share the work on the whole batch, between two meetings
    MOST_PHASES = 3


cdef class Layer:
    cdef Py_ssize_t* inputs     # numbers of buffers
    cdef Py_ssize_t output
    cdef bint* accumulate   # for each input: add to its delta, because another layer has written it before
    cdef Parameter* parameters
    cdef readonly Py_ssize_t n_inputs
    cdef readonly Py_ssize_t n_parameters
    cdef readonly int couples_samples   # NEVER, IN_TRAINING or ALWAYS
    cdef readonly bint calls_blas   # BLAS must be limited to one thread meanwhile
    cdef readonly bint takes_sparse     # its inputs may be given as sparse rows
    cdef readonly bint leads    # it runs following layers on parts of its output, while these are in the cache
    cdef readonly bint can_follow       # it computes each row of the last axis separately: see `forward_positions`
    cdef PyObject** followers
    cdef Py_ssize_t n_followers
    cdef bint led[2]            # whether another layer runs it forwards, in prediction and in training
    cdef Py_ssize_t index
    cdef bint is_double
    cdef Py_ssize_t itemsize    # of the engine's numbers
    cdef int training       # 0 or 1 if the call fixed it, -1 if the batch decides
    cdef uint32_t node      # number of this use of the layer, by which shared random layers draw different numbers
    cdef object given       # until `expect`: spec, input shapes, output shape
    cdef readonly list input_widths     # elements of each input's sample that the layer reads, from `expect`
    cdef readonly Py_ssize_t output_width

    cdef expect(self, list inputs, tuple output, dict weights)
    cdef LayerMemory needs(self)

    cdef void forward(self, const Batch* batch) noexcept nogil
    cdef void forward_positions(self, const Batch* batch, Py_ssize_t begin, Py_ssize_t count) noexcept nogil
    cdef void backward(self, const Batch* batch) noexcept nogil
    cdef int phases(self, bint training, bint back, int* kinds) noexcept nogil
    cdef bint prefers_items(self, Py_ssize_t rows) noexcept nogil
    cdef void run_rows(self, const Batch* batch, bint back, int phase) noexcept nogil
    cdef Py_ssize_t items(self, const Batch* batch, bint back, int phase) noexcept nogil
    cdef void run_items(
        self, const Batch* batch, bint back, int phase, Py_ssize_t begin, Py_ssize_t end
    ) noexcept nogil
    cdef void finish(self, const Batch* batch) noexcept nogil
    cdef void collect(
        self, const Batch* batch, Py_ssize_t k, Py_ssize_t begin, Py_ssize_t end, bint add, void* gradient
    ) noexcept nogil
    cdef void collect_rows(self, const Batch* batch, Py_ssize_t k, RowSums* sums) noexcept nogil


cdef inline Py_ssize_t reach(RowSums* sums, Py_ssize_t row) noexcept nogil:
    """The place of a row's sum. A new one is set to zeros."""
    if sums.places[row] == 0:
        sums.rows[sums.count] = row
        memset(<char*>sums.gradients + sums.count * sums.row_bytes, 0, sums.row_bytes)
        sums.count += 1
        sums.places[row] = <int>sums.count
    return sums.places[row] - 1


cdef inline Buffer* input_of(Layer layer, const Batch* batch, Py_ssize_t i) noexcept nogil:
    """Input i of the layer in this batch."""
    return &batch.buffers[layer.inputs[i]]


cdef inline Buffer* output_of(Layer layer, const Batch* batch) noexcept nogil:
    """The output of the layer in this batch."""
    return &batch.buffers[layer.output]


cdef inline void* weight_of(Layer layer, const Batch* batch, Py_ssize_t k) noexcept nogil:
    """The elements of parameter k of the layer; NULL for k = -1, a parameter that the layer does not have."""
    return NULL if k < 0 else batch.weights + layer.parameters[k].offset


cdef inline void* scratch_of(Layer layer, const Batch* batch) noexcept nogil:
    """The layer's scratch in this batch."""
    return batch.scratch[layer.index]


cdef inline void* shared_of(Layer layer, const Batch* batch) noexcept nogil:
    """The layer's memory for the whole batch, at a multiple of 64."""
    return batch.shared[layer.index]


cdef inline void run_whole(Layer layer, const Batch* batch, bint back) noexcept nogil:
    """Run all phases of a pass, in a thread that has all samples of the batch."""
    cdef int kinds[MOST_PHASES]
    cdef int phase
    for phase in range(layer.phases(batch.training, back, kinds)):
        if kinds[phase] == ROWS:
            layer.run_rows(batch, back, phase)
        else:
            layer.run_items(batch, back, phase, 0, layer.items(batch, back, phase))


cdef inline bint couples(Layer layer, bint training) noexcept nogil:
    """Whether, in training or not, a sample's output depends on the other samples of its batch."""
    if layer.couples_samples == IN_TRAINING:
        return training if layer.training < 0 else layer.training
    return layer.couples_samples == ALWAYS


cdef inline void lead(Layer layer, const Batch* batch, Py_ssize_t begin, Py_ssize_t count) noexcept nogil:
    """Run the following layers on some rows of the last axis of a layer's output."""
    cdef Py_ssize_t i
    for i in range(layer.n_followers):
        if couples(<Layer>layer.followers[i], batch.training):
            return
        (<Layer>layer.followers[i]).forward_positions(batch, begin, count)


cdef inline bint in_training(Layer layer, const Batch* batch) noexcept nogil:
    """Whether the layer runs in training mode, as its call or else the batch says."""
    return batch.training if layer.training < 0 else layer.training
