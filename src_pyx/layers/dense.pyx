"""Dense: y = x W + b."""

from cython cimport floating

from cbackprop.compiled.kernels.blas cimport gemm_nn, gemm_nt, gemm_tn
from cbackprop.compiled.kernels.vectors cimport fill_rows, sum_rows
from cbackprop.compiled.layers.layer cimport Batch, Layer


cdef void dense_forward(
    Py_ssize_t rows, Py_ssize_t width, Py_ssize_t units,
    const floating* x,          # (rows, width) IN
    const floating* kernel,     # (width, units) IN
    const floating* bias,       # (units,) IN, or NULL
    floating* y,                # (rows, units) OUT
) noexcept nogil:
    """y = x W + b."""
    if bias == NULL:
        gemm_nn(rows, units, width, <floating>1, x, kernel, <floating>0, y)
    else:
        fill_rows(rows, units, bias, y)
        gemm_nn(rows, units, width, <floating>1, x, kernel, <floating>1, y)


cdef void dense_backward(
    Py_ssize_t rows, Py_ssize_t width, Py_ssize_t units,
    const floating* x,          # (rows, width) IN
    const floating* kernel,     # (width, units) IN
    const floating* dy,         # (rows, units) IN
    floating* dkernel,          # (width, units) OUT, or NULL
    bint add_dkernel,
    floating* dbias,            # (units,) OUT, or NULL
    bint add_dbias,
    floating* dx,               # (rows, width) OUT, or NULL
    bint add_dx,
) noexcept nogil:
    """dW = x^T dy, db = sum of dy over rows, dx = dy W^T."""
    if dbias != NULL:
        sum_rows(rows, units, dy, add_dbias, dbias)
    if dkernel != NULL:
        gemm_tn(width, units, rows, <floating>1, x, dy, <floating>add_dkernel, dkernel)
    if dx != NULL:
        gemm_nt(rows, width, units, <floating>1, dy, kernel, <floating>add_dx, dx)


cdef class Dense(Layer):
    cdef Py_ssize_t positions   # rows of the matrix product for each sample
    cdef Py_ssize_t width
    cdef Py_ssize_t units

    def __init__(self, spec, list input_shapes, tuple output_shape):
        self.units = output_shape[-1]
        self.width = input_shapes[0][-1]
        self.positions = 1
        for size in input_shapes[0][:-1]:
            self.positions *= size

    cdef void forward(self, const Batch* batch) noexcept nogil:
        if self.is_double:
            self.run_forward(batch.rows, <double*>self.output.value)
        else:
            self.run_forward(batch.rows, <float*>self.output.value)

    cdef void run_forward(self, Py_ssize_t rows, floating* y) noexcept nogil:
        dense_forward(
            rows * self.positions, self.width, self.units,
            <const floating*>self.inputs[0].value, <const floating*>self.parameters[0].value,
            <const floating*>self.parameters[1].value, y,
        )

    cdef void backward(self, const Batch* batch) noexcept nogil:
        if self.is_double:
            self.run_backward(batch.rows, <double*>self.output.delta)
        else:
            self.run_backward(batch.rows, <float*>self.output.delta)

    cdef void run_backward(self, Py_ssize_t rows, const floating* dy) noexcept nogil:
        dense_backward(
            rows * self.positions, self.width, self.units,
            <const floating*>self.inputs[0].value, <const floating*>self.parameters[0].value,
            dy,
            <floating*>self.parameters[0].gradient, self.parameters[0].accumulate,
            <floating*>self.parameters[1].gradient, self.parameters[1].accumulate,
            <floating*>self.inputs[0].delta, self.accumulate[0],
        )
