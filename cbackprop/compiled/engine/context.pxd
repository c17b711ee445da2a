"""The memory of the samples that one thread works on."""

from libc.stdint cimport int64_t, uint64_t

from cbackprop.compiled.engine.division cimport part_rows
from cbackprop.compiled.kernels.rows cimport SparseRows
from cbackprop.compiled.kernels.strided cimport StridedRows
from cbackprop.compiled.layers.layer cimport Batch, Buffer


cdef struct Feed:
    # An array of data, with a row for each sample.
    StridedRows rows            # the rows, unless the array is a sparse matrix
    bint as_they_lie            # rows are contiguous, and have the type that is read
    Py_ssize_t row_bytes        # of a row as it is read
    Py_ssize_t width            # numbers in a row
    int64_t classes             # if not 0: class numbers may change at any time, and invalid ones are read as 0
    const SparseRows* sparse    # the array, if it is a sparse matrix; else NULL
    bint direct                 # all layers that read it take sparse rows
    Py_ssize_t buffer           # the buffer whose value it is, or -1
    Py_ssize_t head             # otherwise the head that reads it
    int role                    # and its role there: VALUES, CLASSES, WEIGHTS or GIVEN


cdef enum:
    VALUES = 0
    CLASSES = 1
    WEIGHTS = 2
    GIVEN = 3


cdef struct Target:
    # The targets of these samples for one head; NULL if there are none.
    const void* values          # (rows, width): shaped like the prediction
    const int64_t* classes      # (rows,): class numbers
    const double* weights       # (rows,), or (rows, width)
    const void* given           # (samples, ...): of any shape, as users gave them


cdef class Context:
    cdef Batch batch
    cdef Py_ssize_t offset      # samples of the training batch in front of these
    cdef Target* targets        # (heads,)
    cdef Py_ssize_t n_buffers, n_layers, n_heads, itemsize
    cdef readonly Py_ssize_t capacity   # samples that there is memory for
    cdef Py_ssize_t shown       # the offset that buffers and scratch point to
    cdef Buffer* base           # (buffers,): the row of the first sample
    cdef void** scratch_base    # (layers,)
    cdef Py_ssize_t* scratch_bytes      # (layers,): of one sample
    cdef char** staging         # (feeds,): memory for the rows of a batch
    cdef SparseRows* sparse     # (feeds,): the rows of a batch of each sparse feed
    cdef Py_ssize_t n_feeds
    cdef object arena, workspace, staging_memory        # the arrays of the pointers: kept alive here

    cdef void* at(self, arena, offset, Py_ssize_t size) except? NULL
    cdef set_workspace(self, workspace)
    cdef forget_rows(self)
    cdef void show(self, Py_ssize_t offset, Py_ssize_t rows) noexcept nogil
    cdef void refer(self, const Feed* feeds, const int64_t* order, Py_ssize_t start) noexcept nogil
    cdef void stage(self, const Feed* feed, const int64_t* order, Py_ssize_t start, char* out) noexcept nogil
    cdef void point(self, const Feed* feeds, Py_ssize_t i, const int64_t* order, Py_ssize_t start) noexcept nogil
    cdef void fetch(self, const Feed* feeds, const int64_t* order, Py_ssize_t start) noexcept nogil


cdef inline void describe(
    Context context, Py_ssize_t rows, bint training, uint64_t iteration, Py_ssize_t first, Py_ssize_t offset,
    Py_ssize_t total, bint blas,
) noexcept nogil:
    """Set the members of a batch, except for its buffers."""
    context.batch.rows = rows
    context.batch.training = training
    context.batch.iteration = iteration
    context.batch.first = first
    context.batch.offset = offset
    context.batch.total = total
    context.batch.blas_rows = part_rows(total) if blas else 0
