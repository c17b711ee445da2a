"""Dot products of two inputs along an axis of each: products of matrices whose rows are the vectors there."""

import numpy as np

from cython cimport floating

from cbackprop.compiled.kernels.elementary cimport sqrt
from cbackprop.compiled.kernels.gather cimport gather_rows, scatter_rows
from cbackprop.compiled.kernels.matrix cimport WORKSPACE_BYTES, multiply
from cbackprop.compiled.kernels.vectors cimport copy_or_add
from cbackprop.compiled.layers.layer cimport Batch, Layer, LayerMemory, input_of, output_of, scratch_of


cdef void normalize_forward(
    Py_ssize_t rows, Py_ssize_t width, double epsilon,
    const floating* x,          # (rows, width) IN
    floating* y,                # (rows, width) OUT, may be x itself
    floating* scale,            # (rows,) OUT: what each row is multiplied by
) noexcept nogil:
    """y = x min(1 / |x|, 1 / epsilon), row by row, with the Euclidean norm |x|."""
    cdef Py_ssize_t r, j
    cdef floating squares
    for r in range(rows):
        squares = 0
        for j in range(width):
            squares += x[j] * x[j]
        scale[r] = min(1 / sqrt(squares), <floating>(1 / epsilon))
        for j in range(width):
            y[j] = x[j] * scale[r]
        x += width
        y += width


cdef void normalize_backward(
    Py_ssize_t rows, Py_ssize_t width, double epsilon,
    const floating* y,          # (rows, width) IN
    const floating* scale,      # (rows,) IN
    floating* delta,            # (rows, width) IN dL/dy, OUT dL/dx
) noexcept nogil:
    """delta <- scale (delta - y (y . delta)), without the second term where epsilon bounds the scale."""
    cdef Py_ssize_t r, j
    cdef floating dot
    for r in range(rows):
        dot = 0
        if scale[r] < <floating>(1 / epsilon):
            for j in range(width):
                dot += y[j] * delta[j]
        for j in range(width):
            delta[j] = scale[r] * (delta[j] - dot * y[j])
        y += width
        delta += width


cdef void dot_forward(
    Py_ssize_t samples, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const floating* a,          # (samples, m, k) IN
    const floating* b,          # (samples, n, k) IN
    floating* y,                # (samples, m, n) OUT
    void* workspace, bint blas,
) noexcept nogil:
    """y = a b^T, for each sample; as y^T = b a^T where a is a vector."""
    cdef Py_ssize_t _
    for _ in range(samples):
        if m == 1:
            multiply(n, 1, k, b, k, 1, a, 1, k, False, <const floating*>NULL, False, y, 1, n, workspace, n * blas)
        else:
            multiply(m, n, k, a, k, 1, b, 1, k, False, <const floating*>NULL, False, y, n, 1, workspace, m * blas)
        a += m * k
        b += n * k
        y += m * n


cdef void dot_backward(
    Py_ssize_t samples, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const floating* a,          # (samples, m, k) IN
    const floating* b,          # (samples, n, k) IN
    const floating* dy,         # (samples, m, n) IN
    floating* da,               # (samples, m, k) OUT, or NULL
    bint add_da,
    floating* db,               # (samples, n, k) OUT, or NULL
    bint add_db,
    void* workspace, bint blas,
) noexcept nogil:
    """da = dy b, db = dy^T a, for each sample."""
    cdef Py_ssize_t s
    for s in range(samples):
        if da != NULL:
            multiply(
                m, k, n, dy + s * m * n, n, 1, b + s * n * k, k, 1, False, <const floating*>NULL, add_da,
                da + s * m * k, k, 1, workspace, m * blas,
            )
        if db != NULL:
            multiply(
                n, k, m, dy + s * m * n, 1, n, a + s * m * k, k, 1, False, <const floating*>NULL, add_db,
                db + s * n * k, k, 1, workspace, n * blas,
            )


cdef tuple dot_shape(axes, tuple a, tuple b):
    """What is left of two samples' shapes beside the axes of the vectors; at least (1,)."""
    if a[axes[0] - 1] != b[axes[1] - 1]:
        raise ValueError(f"Dot of shapes {a} and {b} needs axes of the same length.")
    left = *a[:axes[0] - 1], *a[axes[0]:], *b[:axes[1] - 1], *b[axes[1]:]
    return left or (1,)


cdef struct Factor:
    Py_ssize_t count            # vectors in each sample
    const Py_ssize_t* index     # where their elements are in the input, vector by vector; NULL if just so
    bint in_place               # used as it is: not moved and not normalised
    # Where its vectors, their deltas and their scales are in scratch: elements per sample in front of them.
    Py_ssize_t value
    Py_ssize_t delta
    Py_ssize_t scale


cdef class Dot(Layer):
    """Each input as a matrix of vectors along its axis; the output holds the products of all pairs of them."""

    cdef Factor[2] factors
    cdef list memory            # what the factors' indices point into
    cdef Py_ssize_t length      # of the vectors
    cdef Py_ssize_t scratch_width   # numbers kept of each sample
    cdef bint normalize
    cdef double epsilon

    def __init__(self, spec, list input_shapes, tuple output_shape):
        cdef Py_ssize_t[::1] index
        cdef Py_ssize_t i, width = 0, size
        axes = spec.positive_axes([(None, *shape) for shape in input_shapes])
        self.expect(input_shapes, dot_shape(axes, input_shapes[0], input_shapes[1]), {})
        self.normalize = spec.normalize
        self.epsilon = spec.epsilon
        self.length = input_shapes[0][axes[0] - 1]
        self.memory = []
        for i, (axis, shape) in enumerate(zip(axes, input_shapes)):
            size = int(np.prod(shape, dtype=np.intp))
            self.factors[i].count = size // self.length
            elements = np.arange(size, dtype=np.intp)
            index = np.moveaxis(elements.reshape(shape), axis - 1, -1).flatten()
            if not np.array_equal(index, elements):
                self.memory.append(index)
                self.factors[i].index = &index[0]
            self.factors[i].in_place = self.factors[i].index == NULL and not self.normalize
            if not self.factors[i].in_place:
                self.factors[i].value = width
                self.factors[i].delta = width + size
                self.factors[i].scale = width + 2 * size
                width += 2 * size + (self.factors[i].count if self.normalize else 0)
        self.scratch_width = width

    cdef LayerMemory needs(self):
        return LayerMemory(self.scratch_width * self.itemsize, 0, WORKSPACE_BYTES)

    cdef void forward(self, const Batch* batch) noexcept nogil:
        if self.is_double:
            self.run_forward(batch, <double*>output_of(self, batch).value)
        else:
            self.run_forward(batch, <float*>output_of(self, batch).value)

    cdef void run_forward(self, const Batch* batch, floating* y) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(2):
            if not self.factors[i].in_place:
                self.pack(batch, i, <const floating*>input_of(self, batch, i).value)
        dot_forward(
            batch.rows, self.factors[0].count, self.factors[1].count, self.length,
            self.vectors(batch, 0, y), self.vectors(batch, 1, y), y, batch.workspace, batch.blas_rows > 0,
        )

    cdef void backward(self, const Batch* batch) noexcept nogil:
        if self.is_double:
            self.run_backward(batch, <double*>output_of(self, batch).delta)
        else:
            self.run_backward(batch, <float*>output_of(self, batch).delta)

    cdef void run_backward(self, const Batch* batch, floating* dy) noexcept nogil:
        cdef Py_ssize_t i
        cdef floating* deltas[2]
        cdef bint[2] add
        for i in range(2):
            deltas[i], add[i] = <floating*>input_of(self, batch, i).delta, self.accumulate[i]
            if deltas[i] != NULL and not self.factors[i].in_place:
                deltas[i], add[i] = self.part(batch, self.factors[i].delta, dy), False
        dot_backward(
            batch.rows, self.factors[0].count, self.factors[1].count, self.length,
            self.vectors(batch, 0, dy), self.vectors(batch, 1, dy), dy, deltas[0], add[0], deltas[1], add[1],
            batch.workspace, batch.blas_rows > 0,
        )
        for i in range(2):
            if deltas[i] != NULL and not self.factors[i].in_place:
                self.unpack(batch, i, deltas[i])

    cdef floating* part(self, const Batch* batch, Py_ssize_t offset, const floating* typed) noexcept nogil:
        """Scratch behind `offset` elements per sample; `typed` only tells the type."""
        return <floating*>scratch_of(self, batch) + batch.rows * offset

    cdef const floating* vectors(self, const Batch* batch, Py_ssize_t i, const floating* typed) noexcept nogil:
        """The (rows * count, length) vectors of input i."""
        if self.factors[i].in_place:
            return <const floating*>input_of(self, batch, i).value
        return self.part(batch, self.factors[i].value, typed)

    cdef void pack(self, const Batch* batch, Py_ssize_t i, const floating* x) noexcept nogil:
        """Make the vectors of input i in scratch."""
        cdef Factor* factor = &self.factors[i]
        cdef Py_ssize_t width = factor.count * self.length
        cdef floating* out = self.part(batch, factor.value, x)
        if factor.index != NULL:
            gather_rows(batch.rows, width, width, factor.index, x, out)
            x = out
        if self.normalize:
            normalize_forward(
                batch.rows * factor.count, self.length, self.epsilon, x, out, self.part(batch, factor.scale, x)
            )

    cdef void unpack(self, const Batch* batch, Py_ssize_t i, floating* delta) noexcept nogil:
        """Lead the delta of the vectors of input i back to the input."""
        cdef Factor* factor = &self.factors[i]
        cdef Py_ssize_t width = factor.count * self.length
        cdef floating* dx = <floating*>input_of(self, batch, i).delta
        if self.normalize:
            normalize_backward(
                batch.rows * factor.count, self.length, self.epsilon,
                self.part(batch, factor.value, delta), self.part(batch, factor.scale, delta), delta,
            )
        if factor.index == NULL:
            copy_or_add(batch.rows * width, delta, self.accumulate[i], dx)
        else:
            scatter_rows(batch.rows, width, width, factor.index, delta, self.accumulate[i], dx)
