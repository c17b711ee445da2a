"""Layers that put every element of a sample somewhere else; those that only change its shape are views.

`Permute`, `RepeatVector` and `GetItem` differ in nothing but an index: which element of the input each element of
the output is.
"""

import numpy as np

from cbackprop.compiled.kernels.gather cimport gather_rows, scatter_rows
from cbackprop.compiled.layers.layer cimport Batch, Layer, input_of, output_of


cdef class Gather(Layer):
    """y[j] = x[index[j]]; subclasses set the index."""

    cdef object memory          # the index: kept alive here
    cdef const Py_ssize_t* index

    cdef set_index(self, array):
        cdef Py_ssize_t[::1] view = array.flatten()
        self.memory = view
        self.index = &view[0]

    cdef void forward(self, const Batch* batch) noexcept nogil:
        cdef const void* x = input_of(self, batch, 0).value
        cdef void* y = output_of(self, batch).value
        cdef Py_ssize_t width = input_of(self, batch, 0).width
        if self.is_double:
            gather_rows(batch.rows, width, output_of(self, batch).width, self.index, <const double*>x, <double*>y)
        else:
            gather_rows(batch.rows, width, output_of(self, batch).width, self.index, <const float*>x, <float*>y)

    cdef void backward(self, const Batch* batch) noexcept nogil:
        cdef const void* dy = output_of(self, batch).delta
        cdef void* dx = input_of(self, batch, 0).delta
        cdef Py_ssize_t width = input_of(self, batch, 0).width, out_width = output_of(self, batch).width
        cdef bint add = self.accumulate[0]
        if dx == NULL:
            return
        if self.is_double:
            scatter_rows(batch.rows, width, out_width, self.index, <const double*>dy, add, <double*>dx)
        else:
            scatter_rows(batch.rows, width, out_width, self.index, <const float*>dy, add, <float*>dx)


cdef class Permute(Gather):
    def __init__(self, spec, list input_shapes, tuple output_shape):
        self.expect(input_shapes, tuple(input_shapes[0][dim - 1] for dim in spec.dims), {})
        elements = np.arange(np.prod(output_shape, dtype=np.intp), dtype=np.intp).reshape(input_shapes[0])
        self.set_index(elements.transpose([dim - 1 for dim in spec.dims]))


cdef class RepeatVector(Gather):
    def __init__(self, spec, list input_shapes, tuple output_shape):
        self.expect(input_shapes, (spec.n, *input_shapes[0]), {})
        self.set_index(np.broadcast_to(np.arange(output_shape[-1], dtype=np.intp), output_shape))


cdef class GetItem(Gather):
    def __init__(self, spec, list input_shapes, tuple output_shape):
        places = np.asarray(spec.places(input_shapes[0]), np.intp)
        self.expect(input_shapes, places.shape, {})
        size = int(np.prod(input_shapes[0], dtype=np.intp))
        if not 0 <= places.min() <= places.max() < size:
            raise ValueError(f"{type(spec).__name__} {spec.name!r} takes what is beyond the {size} elements it has.")
        self.set_index(places)
