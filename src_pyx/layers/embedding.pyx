"""Embedding: y = table[x], a row for each number."""

from cython cimport floating
from libc.string cimport memcpy, memset

from cbackprop.compiled.kernels.ids cimport to_id
from cbackprop.compiled.kernels.prefetch cimport prefetch, prefetch_bytes
from cbackprop.compiled.layers.layer cimport Batch, Buffer, Layer, RowSums, input_of, output_of, reach, weight_of


# How many rows are asked for before they are read: of a large table none is in the cache. A step with a million rows
# and batches of 256 took 47 us instead of 63 (the best of some runs of python benchmarks/embedding.py).
cdef enum:
    AHEAD = 16


cdef void embedding_forward(
    Py_ssize_t count, Py_ssize_t n, Py_ssize_t width,
    const floating* x,          # (count,) IN
    const floating* table,      # (n, width) IN
    floating* y,                # (count, width) OUT
) noexcept nogil:
    """y[i] = table[x[i]]."""
    cdef Py_ssize_t i, bytes = width * sizeof(floating)
    for i in range(min(AHEAD, count)):
        prefetch_bytes(table + to_id(x[i], n) * width, bytes)
    for i in range(count):
        if i + AHEAD < count:
            prefetch_bytes(table + to_id(x[i + AHEAD], n) * width, bytes)
        memcpy(y + i * width, table + to_id(x[i], n) * width, width * sizeof(floating))


cdef void embedding_collect(
    Py_ssize_t count, Py_ssize_t n, Py_ssize_t width, Py_ssize_t first, Py_ssize_t last,
    const floating* x,          # (count,) IN
    const floating* dy,         # (count, width) IN
    bint add,
    floating* dtable,           # (last - first, width) OUT
) noexcept nogil:
    """dtable[r - first] = sum of dy[i] where x[i] = r, in the order of i, for the rows first:last."""
    cdef Py_ssize_t i, j, row
    if not add:
        memset(dtable, 0, (last - first) * width * sizeof(floating))
    for i in range(count):
        row = to_id(x[i], n)
        if first <= row < last:
            for j in range(width):
                dtable[(row - first) * width + j] += dy[i * width + j]


cdef void embedding_collect_rows(
    Py_ssize_t count, Py_ssize_t n, Py_ssize_t width,
    const floating* x,          # (count,) IN
    const floating* dy,         # (count, width) IN
    RowSums* sums,              # IN and OUT
) noexcept nogil:
    """As `embedding_collect`, for all rows, but only those that are there."""
    cdef Py_ssize_t i, j
    cdef floating* row
    for i in range(count):
        prefetch(sums.places + to_id(x[i], n))
    for i in range(count):
        row = <floating*>sums.gradients + reach(sums, to_id(x[i], n)) * width
        for j in range(width):
            row[j] += dy[i * width + j]


cdef class Embedding(Layer):
    cdef Py_ssize_t n, width

    def __init__(self, spec, list input_shapes, tuple output_shape):
        self.n, self.width = spec.input_dim, spec.output_dim
        self.expect(input_shapes, (*input_shapes[0], self.width), {"embeddings": (self.n, self.width)})
        self.parameters[0].grain = self.width

    cdef void forward(self, const Batch* batch) noexcept nogil:
        cdef Buffer* x = input_of(self, batch, 0)
        cdef const void* table = weight_of(self, batch, 0)
        cdef void* y = output_of(self, batch).value
        cdef Py_ssize_t count = batch.rows * x.width
        if self.is_double:
            embedding_forward(count, self.n, self.width, <const double*>x.value, <const double*>table, <double*>y)
        else:
            embedding_forward(count, self.n, self.width, <const float*>x.value, <const float*>table, <float*>y)

    cdef void backward(self, const Batch* batch) noexcept nogil:
        cdef Buffer* x = input_of(self, batch, 0)
        if x.delta != NULL and not self.accumulate[0]:
            memset(x.delta, 0, batch.rows * x.width * (sizeof(double) if self.is_double else sizeof(float)))

    cdef void collect(
        self, const Batch* batch, Py_ssize_t k, Py_ssize_t begin, Py_ssize_t end, bint add, void* gradient
    ) noexcept nogil:
        cdef Buffer* x = input_of(self, batch, 0)
        cdef const void* dy = output_of(self, batch).delta
        cdef Py_ssize_t count = batch.rows * x.width, first = begin // self.width, last = end // self.width
        if self.is_double:
            embedding_collect(
                count, self.n, self.width, first, last, <const double*>x.value, <const double*>dy, add,
                <double*>gradient,
            )
        else:
            embedding_collect(
                count, self.n, self.width, first, last, <const float*>x.value, <const float*>dy, add, <float*>gradient
            )

    cdef void collect_rows(self, const Batch* batch, Py_ssize_t k, RowSums* sums) noexcept nogil:
        cdef Buffer* x = input_of(self, batch, 0)
        cdef const void* dy = output_of(self, batch).delta
        cdef Py_ssize_t count = batch.rows * x.width
        if self.is_double:
            embedding_collect_rows(count, self.n, self.width, <const double*>x.value, <const double*>dy, sums)
        else:
            embedding_collect_rows(count, self.n, self.width, <const float*>x.value, <const float*>dy, sums)
