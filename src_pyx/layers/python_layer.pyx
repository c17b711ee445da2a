"""Layers written in Python, called with copies of buffers, so that nothing that they keep points into freed memory.

One thread calls them, once for a whole batch. What they raise ends the run before the batch changes anything.
"""

import numpy as np

from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from cbackprop.compiled.engine.failure cimport fail
from cbackprop.compiled.kernels.memory cimport address
from cbackprop.compiled.kernels.vectors cimport copy_or_add
from cbackprop.compiled.layers.layer cimport Batch, Layer, input_of, in_training, output_of


cdef class PythonLayer(Layer):
    cdef object spec, arrays, outputs
    cdef list input_shapes
    cdef tuple output_shape
    cdef list memory            # room for the gradient of each parameter, in either float type
    cdef void** gradients       # where that is: written by `backward`, read by `collect`

    def __cinit__(self, spec, list input_shapes, tuple output_shape):
        self.gradients = <void**>calloc(self.n_parameters + 1, sizeof(void*))
        if self.gradients == NULL:
            raise MemoryError()

    def __dealloc__(self):
        free(self.gradients)

    def __init__(self, spec, list input_shapes, tuple output_shape):
        self.expect(input_shapes, output_shape, None)
        self.spec = spec
        self.input_shapes = input_shapes
        self.output_shape = output_shape
        self.memory = [np.zeros(variable.size) for variable in spec.variables]
        for k in range(self.n_parameters):
            self.gradients[k] = address(self.memory[k], "float64", self.memory[k].size)

    cdef object read(self, const void* data, Py_ssize_t rows, tuple shape):
        """A copy as an array."""
        array = np.empty((rows, *shape), np.float64 if self.is_double else np.float32)
        memcpy(address(array, array.dtype, array.size), data, array.nbytes)
        return array

    cdef write(self, array, bint add, void* out):
        """Copy an array to a buffer, or add it to what is there."""
        cdef Py_ssize_t n = array.size
        cdef const void* data = address(array, "float64" if self.is_double else "float32", n)
        if self.is_double:
            copy_or_add(n, <const double*>data, add, <double*>out)
        else:
            copy_or_add(n, <const float*>data, add, <float*>out)

    cdef void forward(self, const Batch* batch) noexcept nogil:
        with gil:
            try:
                self.call(batch)
            except BaseException as error:
                fail(batch.failure, error)

    cdef call(self, const Batch* batch):
        cdef Py_ssize_t i
        self.arrays = [
            self.read(input_of(self, batch, i).value, batch.rows, self.input_shapes[i]) for i in range(self.n_inputs)
        ]
        training = bool(in_training(self, batch))
        self.outputs = self.spec.evaluate(self.arrays, self.output_shape, training)
        self.write(self.outputs, False, output_of(self, batch).value)

    cdef void backward(self, const Batch* batch) noexcept nogil:
        with gil:
            try:
                self.differentiate(batch)
            except BaseException as error:
                fail(batch.failure, error)

    cdef differentiate(self, const Batch* batch):
        cdef Py_ssize_t i, k
        delta = self.read(output_of(self, batch).delta, batch.rows, self.output_shape)
        deltas, gradients = self.spec.differentiate(self.arrays, self.outputs, delta)
        for i in range(self.n_inputs):
            if input_of(self, batch, i).delta != NULL:
                self.write(deltas[i], self.accumulate[i], input_of(self, batch, i).delta)
        for k in range(self.n_parameters):
            self.write(gradients[k], False, self.gradients[k])

    cdef void collect(
        self, const Batch* batch, Py_ssize_t k, Py_ssize_t begin, Py_ssize_t end, bint add, void* gradient
    ) noexcept nogil:
        if self.is_double:
            copy_or_add(end - begin, <const double*>self.gradients[k] + begin, add, <double*>gradient)
        else:
            copy_or_add(end - begin, <const float*>self.gradients[k] + begin, add, <float*>gradient)
