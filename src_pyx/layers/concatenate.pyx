"""Inputs side by side, along an axis."""

import numpy as np

from cython cimport floating
from libc.string cimport memcpy

from cbackprop.compiled.kernels.vectors cimport copy_or_add
from cbackprop.compiled.layers.layer cimport Batch, Layer, input_of, output_of


cdef void concatenate_forward(
    Py_ssize_t positions, Py_ssize_t width, Py_ssize_t total,
    const floating* x,          # (positions, width) IN
    floating* y,                # (positions, total) OUT: its first `width` columns
) noexcept nogil:
    """y[:, :width] = x."""
    cdef Py_ssize_t p
    for p in range(positions):
        memcpy(y + p * total, x + p * width, width * sizeof(floating))


cdef void concatenate_backward(
    Py_ssize_t positions, Py_ssize_t width, Py_ssize_t total,
    const floating* dy,         # (positions, total) IN: its first `width` columns
    floating* dx,               # (positions, width) OUT, or NULL
    bint add_dx,
) noexcept nogil:
    """dx = dy[:, :width]."""
    cdef Py_ssize_t p
    if dx == NULL:
        return
    for p in range(positions):
        copy_or_add(width, dy + p * total, add_dx, dx + p * width)


cdef class Concatenate(Layer):
    cdef Py_ssize_t positions   # places in front of the axis, in each sample

    def __init__(self, spec, list input_shapes, tuple output_shape):
        axis = spec.positive_axis(len(input_shapes[0]) + 1)
        before, behind = input_shapes[0][:axis - 1], input_shapes[0][axis:]
        length = sum(shape[axis - 1] for shape in input_shapes)
        fitting = [(*before, shape[axis - 1], *behind) for shape in input_shapes]
        self.expect(fitting, (*before, length, *behind), {})
        self.positions = int(np.prod(output_shape[:axis - 1], dtype=np.intp))

    cdef void forward(self, const Batch* batch) noexcept nogil:
        if self.is_double:
            self.run_forward(batch, <double*>output_of(self, batch).value)
        else:
            self.run_forward(batch, <float*>output_of(self, batch).value)

    cdef void run_forward(self, const Batch* batch, floating* y) noexcept nogil:
        cdef Py_ssize_t positions = batch.rows * self.positions, i, width
        cdef Py_ssize_t total = output_of(self, batch).width // self.positions
        for i in range(self.n_inputs):
            width = input_of(self, batch, i).width // self.positions
            concatenate_forward(positions, width, total, <const floating*>input_of(self, batch, i).value, y)
            y += width

    cdef void backward(self, const Batch* batch) noexcept nogil:
        if self.is_double:
            self.run_backward(batch, <double*>output_of(self, batch).delta)
        else:
            self.run_backward(batch, <float*>output_of(self, batch).delta)

    cdef void run_backward(self, const Batch* batch, const floating* dy) noexcept nogil:
        cdef Py_ssize_t positions = batch.rows * self.positions, i, width
        cdef Py_ssize_t total = output_of(self, batch).width // self.positions
        for i in range(self.n_inputs):
            width = input_of(self, batch, i).width // self.positions
            concatenate_backward(
                positions, width, total, dy, <floating*>input_of(self, batch, i).delta, self.accumulate[i]
            )
            dy += width
