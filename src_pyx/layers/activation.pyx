"""An activation as a layer of its own, in place where the plan allows it."""

from cbackprop.compiled.kernels.activations cimport Activation as Kernel
from cbackprop.compiled.kernels.vectors cimport copy_or_add
from cbackprop.compiled.layers.layer cimport Batch, Layer, input_of, output_of


cdef class Activation(Layer):
    cdef Kernel kernel
    cdef Py_ssize_t rows        # of the kernel's matrix, for each sample
    cdef Py_ssize_t width

    def __init__(self, spec, list input_shapes, tuple output_shape):
        function = spec.function
        self.expect(input_shapes, input_shapes[0], {})
        # One sample in front: the axis of a function counts the batch.
        self.rows, self.width, numbers = function.layout((1, *output_shape))
        self.kernel = Kernel(function.name, numbers)

    cdef void forward(self, const Batch* batch) noexcept nogil:
        cdef Py_ssize_t rows = batch.rows * self.rows
        self.kernel.forward(
            input_of(self, batch, 0).value, output_of(self, batch).value, rows, self.width, self.is_double
        )

    cdef void backward(self, const Batch* batch) noexcept nogil:
        cdef Py_ssize_t n = batch.rows * output_of(self, batch).width
        cdef void* delta = output_of(self, batch).delta
        cdef const void* x = input_of(self, batch, 0).value
        cdef const void* y = output_of(self, batch).value
        self.kernel.backward(delta, x, y, batch.rows * self.rows, self.width, self.is_double)
        if self.inputs[0] == self.output:
            return
        if self.is_double:
            copy_or_add(n, <const double*>delta, self.accumulate[0], <double*>input_of(self, batch, 0).delta)
        else:
            copy_or_add(n, <const float*>delta, self.accumulate[0], <float*>input_of(self, batch, 0).delta)
