"""The flat gradient vector, and who computes which part of it."""

from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t

from cbackprop.compiled.engine.context cimport Context, Feed
from cbackprop.compiled.layers.layer cimport Batch
from cbackprop.compiled.optimizers.optimizer cimport Segment


cdef struct Part:
    PyObject* layer
    Py_ssize_t k, begin, end    # the number of the parameter, and the elements begin:end of its gradient
    Py_ssize_t offset           # the place of these in the vector
    bint add                    # add to the gradient of another use of a shared layer
    Py_ssize_t sum              # the long sum that this is a part of, or -1


cdef struct LongSum:
    # The gradient of a variable with few elements, each of which is a long sum over samples. The samples are divided
    # into chunks, whose sums are added up at the end.
    Py_ssize_t offset, size     # its place in the vector
    double flops                # of a sample
    Py_ssize_t most             # chunks
    Py_ssize_t room             # chunks that there is memory for
    char* partials              # (room - 1, size): the sums of all chunks but the first, which is in the vector


cdef struct Samples:
    # The contexts through which a thread finds the samples of a batch that is held as a whole.
    const Feed* feeds
    const int64_t* order
    Py_ssize_t start
    Py_ssize_t thread, threads


cdef class Gradients:
    cdef list layers, memory        # the targets of the pointers: kept alive here
    cdef object vector
    cdef Py_ssize_t itemsize, size
    cdef Part* parameters           # a part for each parameter
    cdef Py_ssize_t n_parameters
    cdef Part* parts                # finer parts, to share a batch among threads
    cdef Py_ssize_t n_parts
    cdef Part* portions             # parts that are small enough to be added from the scratch
    cdef Py_ssize_t n_portions
    cdef object scratch_memory
    cdef char* scratch              # a portion of a block's gradient; NULL until batches pass in blocks
    cdef double* work               # (n_parts + 1,): floating point operations in front of each part
    cdef readonly Py_ssize_t n_points   # points of a backward pass at which gradients are computed; the last is its end
    cdef Py_ssize_t* first_parameter    # (n_points + 1,): of each point, among the parameters
    cdef Py_ssize_t* first_part         # and among the parts
    cdef LongSum* sums
    cdef Py_ssize_t n_sums
    cdef list sum_memory
    cdef object piece_memory
    cdef bint cuts                  # some sums are cut, in batches of the size that there is memory for
    cdef Py_ssize_t n_pieces        # pieces of every batch's rows, each with its own sums; 0: chunks are cut by work
    cdef const Py_ssize_t* pieces   # (n_pieces + 1,): where they begin in the current batch
    cdef char** vectors             # vectors for groups of blocks; the first is the gradient vector itself
    cdef int32_t* in_use            # (n_vectors,): whether a thread uses a vector
    cdef readonly Py_ssize_t n_vectors

    cdef bint sums_everything(self)
    cdef fill(self, Part* parts, list described)
    cdef find_firsts(self, Py_ssize_t* firsts, list described)
    cdef Py_ssize_t chunks(self, const LongSum* sum, Py_ssize_t rows) noexcept nogil
    cdef Py_ssize_t chunk_begin(self, Py_ssize_t chunk, Py_ssize_t n, Py_ssize_t rows) noexcept nogil
    cdef void clear(self, const Part* part, char* out) noexcept nogil
    cdef void join_pieces(self, Py_ssize_t first, Py_ssize_t end, const LongSum* sum) noexcept nogil
    cdef bint has_room(self, Py_ssize_t rows) noexcept nogil
    cdef Py_ssize_t owner(
        self, Py_ssize_t i, Py_ssize_t point, Py_ssize_t chunk, Py_ssize_t chunks, Py_ssize_t threads
    ) noexcept nogil
    cdef bint is_large(self) noexcept nogil
    cdef void collect_block(self, const Batch* batch, Py_ssize_t vector, bint add) noexcept nogil
    cdef void add_block(self, const Batch* batch) noexcept nogil
    cdef void collect_share(
        self, const Batch* batch, Context own, const Samples* samples, Py_ssize_t point
    ) noexcept nogil
    cdef void collect_parameters(
        self, const Batch* batch, Context own, const Samples* samples, Py_ssize_t point
    ) noexcept nogil
    cdef void collect_chunks(
        self, Py_ssize_t i, Py_ssize_t point, Part* part, const Batch* batch, Context own, const Samples* samples
    ) noexcept nogil
    cdef bint is_cut(self, const Part* part, Py_ssize_t rows) noexcept nogil
    cdef bint joins(self, Py_ssize_t i, Py_ssize_t last, Py_ssize_t rows) noexcept nogil
    cdef Segment everything(self) noexcept nogil
    cdef void collect_all(self, const Batch* batch, char* vector, bint add) noexcept nogil
    cdef void collect_each(
        self, const Batch* batch, const Part* parts, Py_ssize_t n, char* vector, bint add
    ) noexcept nogil
    cdef Py_ssize_t take_vector(self) noexcept nogil
    cdef void add_and_free(self, Py_ssize_t vector) noexcept nogil
    cdef void merge_chunks(self, const Segment* segment, Py_ssize_t rows) noexcept nogil
    cdef void clear_all(self) noexcept nogil
    cdef void add_to(self, Py_ssize_t begin, Py_ssize_t end, const char* sum) noexcept nogil
    cdef void add(self, Py_ssize_t n, const char* x, char* total) noexcept nogil
