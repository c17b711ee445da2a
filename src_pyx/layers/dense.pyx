"""Dense: y = x W + b."""

from cython cimport floating

from cbackprop.compiled.kernels.matrix cimport WORKSPACE_BYTES, multiply, sum_rows
from cbackprop.compiled.kernels.rows cimport sparse_times_matrix, sparse_transposed_times_matrix
from cbackprop.compiled.layers.layer cimport Batch, Buffer, Layer, LayerMemory, input_of, output_of, weight_of


cdef void dense_forward(
    Py_ssize_t rows, Py_ssize_t width, Py_ssize_t units,
    const floating* x,          # (rows, width) IN
    const floating* kernel,     # (width, units) IN, padded
    const floating* bias,       # (units,) IN, or NULL
    floating* y,                # (rows, units) OUT
    void* workspace, Py_ssize_t blas_rows,
) noexcept nogil:
    """y = x W + b."""
    multiply(
        rows, units, width, x, width, 1, kernel, units, 1, True, bias, False, y, units, 1, workspace, blas_rows,
    )


cdef void dense_backward(
    Py_ssize_t rows, Py_ssize_t width, Py_ssize_t units,
    const floating* kernel,     # (width, units) IN
    const floating* dy,         # (rows, units) IN
    bint add,
    floating* dx,               # (rows, width) OUT
    void* workspace, Py_ssize_t blas_rows, bint single,
) noexcept nogil:
    """dx = dy W^T. If these are all rows of the batch, a single one, W need not be packed: dx^T = W dy^T.

    Sums are then taken in another order. So it must not depend on how many rows a thread has.
    """
    if single:
        multiply(
            width, 1, units, kernel, units, 1, dy, 1, units, True, <const floating*>NULL, add, dx, 1, width, workspace,
            width if blas_rows else 0,
        )
        return
    multiply(
        rows, width, units, dy, units, 1, kernel, 1, units, True, <const floating*>NULL, add, dx, width, 1, workspace,
        blas_rows,
    )


cdef void dense_collect(
    Py_ssize_t rows, Py_ssize_t width, Py_ssize_t units, Py_ssize_t inputs,
    const floating* x,          # (rows, width) IN; the first `inputs` columns are wanted
    const floating* dy,         # (rows, units) IN, padded
    bint add,
    floating* dkernel,          # (inputs, units) OUT
    void* workspace, bint blas,
) noexcept nogil:
    """dW = x^T dy. BLAS multiplies all of it in one call."""
    multiply(
        inputs, units, rows, x, 1, width, dy, units, 1, True, <const floating*>NULL, add, dkernel, units, 1, workspace,
        inputs if blas else 0,
    )


cdef class Dense(Layer):
    """The kernel works on the last axis; all others count samples."""

    cdef Py_ssize_t positions       # rows of the matrix product, for each sample
    cdef Py_ssize_t width
    cdef Py_ssize_t units
    cdef bint has_bias

    def __init__(self, spec, list input_shapes, tuple output_shape):
        *others, self.width = input_shapes[0]
        self.units, self.has_bias = spec.units, spec.use_bias
        bias = {"bias": (self.units,)} if self.has_bias else {}
        self.expect(input_shapes, (*others, self.units), {"kernel": (self.width, self.units), **bias})
        self.positions = 1
        for size in others:
            self.positions *= size
        self.takes_sparse = self.positions == 1
        self.parameters[0].grain = self.units
        if self.has_bias:
            self.parameters[1].grain = 1

    cdef LayerMemory needs(self):
        return LayerMemory(0, 0, WORKSPACE_BYTES)

    cdef void forward(self, const Batch* batch) noexcept nogil:
        if self.is_double:
            self.run_forward(batch, <double*>output_of(self, batch).value)
        else:
            self.run_forward(batch, <float*>output_of(self, batch).value)

    cdef void run_forward(self, const Batch* batch, floating* y) noexcept nogil:
        cdef Buffer* x = input_of(self, batch, 0)
        cdef const floating* kernel = <const floating*>weight_of(self, batch, 0)
        cdef const floating* bias = <const floating*>weight_of(self, batch, 1 if self.has_bias else -1)
        if x.sparse != NULL:
            sparse_times_matrix(batch.rows, self.width, self.units, x.sparse, kernel, bias, y)
        else:
            dense_forward(
                batch.rows * self.positions, self.width, self.units, <const floating*>x.value, kernel, bias, y,
                batch.workspace, batch.blas_rows * self.positions,
            )

    cdef void backward(self, const Batch* batch) noexcept nogil:
        if input_of(self, batch, 0).delta == NULL:
            return
        if self.is_double:
            self.run_backward(batch, <double*>input_of(self, batch, 0).delta)
        else:
            self.run_backward(batch, <float*>input_of(self, batch, 0).delta)

    cdef void run_backward(self, const Batch* batch, floating* dx) noexcept nogil:
        dense_backward(
            batch.rows * self.positions, self.width, self.units, <const floating*>weight_of(self, batch, 0),
            <const floating*>output_of(self, batch).delta, self.accumulate[0], dx, batch.workspace,
            batch.blas_rows * self.positions, batch.total * self.positions == 1,
        )

    cdef void collect(
        self, const Batch* batch, Py_ssize_t k, Py_ssize_t begin, Py_ssize_t end, bint add, void* gradient
    ) noexcept nogil:
        if self.is_double:
            self.run_collect(batch, k, begin, end, add, <double*>gradient)
        else:
            self.run_collect(batch, k, begin, end, add, <float*>gradient)

    cdef void run_collect(
        self, const Batch* batch, Py_ssize_t k, Py_ssize_t begin, Py_ssize_t end, bint add, floating* gradient
    ) noexcept nogil:
        cdef Py_ssize_t rows = batch.rows * self.positions
        cdef Buffer* x = input_of(self, batch, 0)
        cdef const floating* dy = <const floating*>output_of(self, batch).delta
        if k == 1:
            sum_rows(rows, end - begin, dy + begin, self.units, add, gradient)
        elif x.sparse != NULL:
            sparse_transposed_times_matrix(
                rows, self.units, begin // self.units, end // self.units, x.sparse, dy, add, gradient
            )
        else:
            dense_collect(
                rows, self.width, self.units, (end - begin) // self.units,
                <const floating*>x.value + begin // self.units, dy, add, gradient, batch.workspace,
                batch.blas_rows > 0,
            )
