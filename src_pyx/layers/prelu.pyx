"""PReLU: y = x where x > 0, else alpha x."""

import numpy as np

from cython cimport floating
from libc.string cimport memset

from cbackprop.compiled.kernels.gather cimport gather_rows, scatter_rows
from cbackprop.compiled.layers.layer cimport Batch, Layer, LayerMemory, input_of, output_of, weight_of


cdef void prelu_forward(
    Py_ssize_t rows, Py_ssize_t width,
    const floating* x,          # (rows, width) IN
    const floating* alpha,      # (width,) IN
    floating* y,                # (rows, width) OUT
) noexcept nogil:
    """y = max(x, 0) + alpha min(x, 0)."""
    cdef Py_ssize_t _, j
    cdef floating below
    for _ in range(rows):
        for j in range(width):
            below = alpha[j] * x[j]     # outside of the condition, so that there is no branch
            y[j] = x[j] if x[j] > 0 else below
        x += width
        y += width


cdef void prelu_backward(
    Py_ssize_t rows, Py_ssize_t width,
    const floating* x,          # (rows, width) IN
    const floating* alpha,      # (width,) IN
    const floating* dy,         # (rows, width) IN
    floating* dx,               # (rows, width) OUT
    bint add_dx,
) noexcept nogil:
    """dx = dy where x > 0, alpha dy where x < 0, 0 where x = 0."""
    cdef Py_ssize_t _, j
    cdef floating delta, slope, below
    for _ in range(rows):
        for j in range(width):
            slope = alpha[j]            # outside of the condition, so that there is no branch
            below = slope if x[j] < 0 else 0
            delta = dy[j] * (1 if x[j] > 0 else below)
            dx[j] = dx[j] + delta if add_dx else delta
        x += width
        dy += width
        dx += width


cdef void prelu_collect(
    Py_ssize_t rows, Py_ssize_t width,
    const floating* x,          # (rows, width) IN
    const floating* dy,         # (rows, width) IN
    floating* dalpha,           # (width,) OUT
) noexcept nogil:
    """dalpha = sum over rows of dy min(x, 0)."""
    cdef Py_ssize_t r, j
    memset(dalpha, 0, width * sizeof(floating))
    for r in range(rows):
        for j in range(width):
            dalpha[j] += dy[r * width + j] * (x[r * width + j] if x[r * width + j] < 0 else 0)


cdef class PReLU(Layer):
    """Where alpha is shared it is stretched to the width of a sample first, so that one kernel serves all cases.

    The workspace holds the stretched alpha, or in `collect` the stretched gradient.
    """

    cdef object memory          # the index: kept alive here
    cdef const Py_ssize_t* index    # (width,): which alpha belongs to an element

    def __init__(self, spec, list input_shapes, tuple output_shape):
        cdef Py_ssize_t[::1] index
        self.expect(input_shapes, input_shapes[0], {"alpha": spec.alpha_shape((None, *input_shapes[0]))})
        places = np.arange(spec.alpha.size, dtype=np.intp).reshape(spec.alpha.shape)
        index = np.broadcast_to(places, output_shape).flatten()
        self.memory = index
        self.index = &index[0]

    cdef LayerMemory needs(self):
        return LayerMemory(0, 0, self.output_width * self.itemsize)

    cdef void stretch(self, const Batch* batch, floating* alpha) noexcept nogil:
        gather_rows(
            1, self.parameters[0].size, self.output_width, self.index, <const floating*>weight_of(self, batch, 0), alpha
        )

    cdef void forward(self, const Batch* batch) noexcept nogil:
        if self.is_double:
            self.run_forward(batch, <double*>output_of(self, batch).value)
        else:
            self.run_forward(batch, <float*>output_of(self, batch).value)

    cdef void run_forward(self, const Batch* batch, floating* y) noexcept nogil:
        cdef floating* alpha = <floating*>batch.workspace
        self.stretch(batch, alpha)
        prelu_forward(
            batch.rows, self.output_width, <const floating*>input_of(self, batch, 0).value, <const floating*>alpha, y
        )

    cdef void backward(self, const Batch* batch) noexcept nogil:
        if input_of(self, batch, 0).delta == NULL:
            return
        if self.is_double:
            self.run_backward(batch, <double*>input_of(self, batch, 0).delta)
        else:
            self.run_backward(batch, <float*>input_of(self, batch, 0).delta)

    cdef void run_backward(self, const Batch* batch, floating* dx) noexcept nogil:
        cdef floating* alpha = <floating*>batch.workspace
        self.stretch(batch, alpha)
        prelu_backward(
            batch.rows, self.output_width, <const floating*>input_of(self, batch, 0).value,
            <const floating*>alpha, <const floating*>output_of(self, batch).delta,
            dx, self.accumulate[0],
        )

    cdef void collect(
        self, const Batch* batch, Py_ssize_t k, Py_ssize_t begin, Py_ssize_t end, bint add, void* gradient
    ) noexcept nogil:
        if self.is_double:
            self.run_collect(batch, add, <double*>gradient)
        else:
            self.run_collect(batch, add, <float*>gradient)

    cdef void run_collect(self, const Batch* batch, bint add, floating* gradient) noexcept nogil:
        cdef Py_ssize_t width = output_of(self, batch).width
        cdef floating* dalpha = <floating*>batch.workspace
        prelu_collect(
            batch.rows, width, <const floating*>input_of(self, batch, 0).value,
            <const floating*>output_of(self, batch).delta, dalpha,
        )
        scatter_rows(1, self.parameters[0].size, width, self.index, <const floating*>dalpha, add, gradient)
