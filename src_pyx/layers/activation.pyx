"""An activation as a layer of its own, in place where the plan allows it."""

from cbackprop.compiled.kernels.activations cimport Activation as Kernel
from cbackprop.compiled.kernels.vectors cimport copy_or_add
from cbackprop.compiled.layers.layer cimport Batch, Layer


cdef class Activation(Layer):
    cdef Kernel kernel
    cdef Py_ssize_t rows        # of the kernel's matrix, for each sample
    cdef Py_ssize_t width

    def __init__(self, spec, list input_shapes, tuple output_shape):
        function = spec.function
        # One sample in front: the axis of a function counts the batch.
        self.rows, self.width, numbers = function.layout((1, *output_shape))
        self.kernel = Kernel(function.name, numbers)

    cdef void forward(self, const Batch* batch) noexcept nogil:
        self.kernel.forward(
            self.inputs[0].value, self.output.value, batch.rows * self.rows, self.width, self.is_double
        )

    cdef void backward(self, const Batch* batch) noexcept nogil:
        cdef Py_ssize_t n = batch.rows * self.output.width
        cdef void* delta = self.output.delta
        self.kernel.backward(
            delta, self.inputs[0].value, self.output.value, batch.rows * self.rows, self.width, self.is_double
        )
        if self.inputs[0] == self.output:
            return
        if self.is_double:
            copy_or_add(n, <const double*>delta, self.accumulate[0], <double*>self.inputs[0].delta)
        else:
            copy_or_add(n, <const float*>delta, self.accumulate[0], <float*>self.inputs[0].delta)
