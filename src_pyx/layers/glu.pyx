"""The gated linear unit as a layer: not in place, because its output is narrower than its input."""

from cbackprop.compiled.kernels.glu cimport glu_backward, glu_forward
from cbackprop.compiled.layers.layer cimport Batch, Layer, input_of, output_of


cdef class GLU(Layer):
    cdef Py_ssize_t rows        # of two halves, for each sample
    cdef Py_ssize_t half

    def __init__(self, spec, list input_shapes, tuple output_shape):
        self.rows, width, _ = spec.function.layout((1, *input_shapes[0]))
        self.half = width // 2
        self.expect(input_shapes, spec.function.output_shape((None, *input_shapes[0]))[1:], {})

    cdef void forward(self, const Batch* batch) noexcept nogil:
        cdef const void* x = input_of(self, batch, 0).value
        cdef void* y = output_of(self, batch).value
        if self.is_double:
            glu_forward(batch.rows * self.rows, self.half, <const double*>x, <double*>y)
        else:
            glu_forward(batch.rows * self.rows, self.half, <const float*>x, <float*>y)

    cdef void backward(self, const Batch* batch) noexcept nogil:
        cdef const void* x = input_of(self, batch, 0).value
        cdef const void* dy = output_of(self, batch).delta
        cdef void* dx = input_of(self, batch, 0).delta
        cdef Py_ssize_t rows = batch.rows * self.rows
        if dx == NULL:
            return
        if self.is_double:
            glu_backward(rows, self.half, <const double*>x, <const double*>dy, self.accumulate[0], <double*>dx)
        else:
            glu_backward(rows, self.half, <const float*>x, <const float*>dy, self.accumulate[0], <float*>dx)
