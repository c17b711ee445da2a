"""One of several outputs that lie side by side in the rows of a buffer."""

import math

from cython cimport floating

from libc.string cimport memcpy, memset

from cbackprop.compiled.kernels.vectors cimport copy_or_add
from cbackprop.compiled.layers.layer cimport Batch, Layer, input_of, output_of


cdef void part_forward(
    Py_ssize_t rows, Py_ssize_t width, Py_ssize_t begin, Py_ssize_t size, const floating* x, floating* y
) noexcept nogil:
    """y = x[:, begin:begin + size].

    x (rows, width) IN, y (rows, size) OUT.
    """
    cdef Py_ssize_t i
    for i in range(rows):
        memcpy(y + i * size, x + i * width + begin, size * sizeof(floating))


cdef void part_backward(
    Py_ssize_t rows, Py_ssize_t width, Py_ssize_t begin, Py_ssize_t size, const floating* dy, bint add, floating* dx
) noexcept nogil:
    """dx[:, begin:begin + size] = dy, and 0 elsewhere; or dy is added there.

    dy (rows, size) IN, dx (rows, width) OUT.
    """
    cdef Py_ssize_t i
    if not add:
        memset(dx, 0, rows * width * sizeof(floating))
    for i in range(rows):
        copy_or_add(size, dy + i * size, True, dx + i * width + begin)


cdef class Part(Layer):
    cdef Py_ssize_t begin, width

    def __init__(self, spec, list input_shapes, tuple output_shape):
        self.begin = spec.begin
        self.width = input_shapes[0][0]
        if not 0 <= spec.begin < spec.end <= self.width:
            raise ValueError("A part must lie within what it is a part of.")
        self.expect([(self.width,)], output_shape, {})
        if math.prod(output_shape) != spec.end - spec.begin:
            raise ValueError("A part must be as wide as its output.")

    cdef void forward(self, const Batch* batch) noexcept nogil:
        cdef const void* x = input_of(self, batch, 0).value
        cdef void* y = output_of(self, batch).value
        cdef Py_ssize_t size = output_of(self, batch).width
        if self.is_double:
            part_forward(batch.rows, self.width, self.begin, size, <const double*>x, <double*>y)
        else:
            part_forward(batch.rows, self.width, self.begin, size, <const float*>x, <float*>y)

    cdef void backward(self, const Batch* batch) noexcept nogil:
        cdef const void* dy = output_of(self, batch).delta
        cdef void* dx = input_of(self, batch, 0).delta
        cdef Py_ssize_t size = output_of(self, batch).width
        if dx == NULL:
            return
        if self.is_double:
            part_backward(
                batch.rows, self.width, self.begin, size, <const double*>dy, self.accumulate[0], <double*>dx
            )
        else:
            part_backward(batch.rows, self.width, self.begin, size, <const float*>dy, self.accumulate[0], <float*>dx)
