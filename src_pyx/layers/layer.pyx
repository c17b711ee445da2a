"""One use of a layer in a network, compiled: where its buffers are, and what it does to them.

The engine fills in the pointers, calls `forward` on every layer in order and `backward` in reverse
order. A layer writes its output's value; then, given its output's delta, its parameters'
gradients and its inputs' deltas. It may destroy its output's delta on the way.
"""

from libc.stdlib cimport calloc, free


cdef class Layer:
    """Subclasses read what they need from `spec` in ``__init__`` and override `forward` and `backward`.

    Parameters
    ----------
    spec : cbackprop.layers.Layer
        What the user wrote.
    input_shapes : list of tuple of int
        The shape of one sample of each input.
    output_shape : tuple of int
    """

    def __cinit__(self, spec, list input_shapes, tuple output_shape):
        self.n_inputs = len(input_shapes)
        self.n_parameters = len(spec.variables)
        self.inputs = <Buffer**>calloc(self.n_inputs + 1, sizeof(Buffer*))
        self.accumulate = <bint*>calloc(self.n_inputs + 1, sizeof(bint))
        self.parameters = <Parameter*>calloc(self.n_parameters + 1, sizeof(Parameter))
        if self.inputs == NULL or self.accumulate == NULL or self.parameters == NULL:
            raise MemoryError()
        self.training = -1

    def __dealloc__(self):
        free(self.inputs)
        free(self.accumulate)
        free(self.parameters)

    cdef void forward(self, const Batch* batch) noexcept nogil:
        pass

    cdef void backward(self, const Batch* batch) noexcept nogil:
        pass
