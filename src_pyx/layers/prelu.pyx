"""PReLU: y = x where x > 0, else alpha x."""

import numpy as np

from cython cimport floating
from libc.string cimport memset

from cbackprop.compiled.kernels.gather cimport gather_rows, scatter_rows
from cbackprop.compiled.layers.layer cimport Batch, Layer


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
    floating* dalpha,           # (width,) OUT, or NULL
    floating* dx,               # (rows, width) OUT, or NULL
    bint add_dx,
) noexcept nogil:
    """dalpha = sum over rows of dy min(x, 0); dx = dy where x > 0, alpha dy where x < 0, 0 where x = 0."""
    cdef Py_ssize_t r, _, j
    cdef floating delta, below
    if dalpha != NULL:
        memset(dalpha, 0, width * sizeof(floating))
        for r in range(rows):
            for j in range(width):
                dalpha[j] += dy[r * width + j] * (x[r * width + j] if x[r * width + j] < 0 else 0)
    if dx != NULL:
        for _ in range(rows):
            for j in range(width):
                below = alpha[j] if x[j] < 0 else 0
                delta = dy[j] * (1 if x[j] > 0 else below)
                dx[j] = dx[j] + delta if add_dx else delta
            x += width
            dy += width
            dx += width


cdef class PReLU(Layer):
    """Where alpha is shared it is stretched to the width of a sample first, so that one kernel serves all cases."""

    cdef object memory          # what the pointers below point into
    cdef const Py_ssize_t* index    # (width,): which alpha belongs to an element
    cdef void* alpha            # (width,): alpha, one for each element of a sample
    cdef void* dalpha           # (width,): its gradient

    def __init__(self, spec, list input_shapes, tuple output_shape):
        cdef Py_ssize_t[::1] index
        cdef double[:, ::1] rows
        places = np.arange(spec.alpha.size, dtype=np.intp).reshape(spec.alpha.shape)
        index = np.broadcast_to(places, output_shape).flatten()
        rows = np.zeros((2, index.shape[0]))
        self.memory = (index, rows)
        self.index = &index[0]
        self.alpha = &rows[0, 0]
        self.dalpha = &rows[1, 0]

    cdef void forward(self, const Batch* batch) noexcept nogil:
        if self.is_double:
            self.run_forward(batch.rows, <double*>self.output.value)
        else:
            self.run_forward(batch.rows, <float*>self.output.value)

    cdef void run_forward(self, Py_ssize_t rows, floating* y) noexcept nogil:
        cdef Py_ssize_t width = self.output.width
        cdef floating* alpha = <floating*>self.alpha
        gather_rows(1, self.parameters[0].size, width, self.index, <const floating*>self.parameters[0].value, alpha)
        prelu_forward(rows, width, <const floating*>self.inputs[0].value, <const floating*>alpha, y)

    cdef void backward(self, const Batch* batch) noexcept nogil:
        if self.is_double:
            self.run_backward(batch.rows, <double*>self.output.delta)
        else:
            self.run_backward(batch.rows, <float*>self.output.delta)

    cdef void run_backward(self, Py_ssize_t rows, const floating* dy) noexcept nogil:
        cdef Py_ssize_t width = self.output.width
        cdef floating* gradient = <floating*>self.parameters[0].gradient
        cdef floating* dalpha = NULL if gradient == NULL else <floating*>self.dalpha
        prelu_backward(
            rows, width, <const floating*>self.inputs[0].value, <const floating*>self.alpha, dy,
            dalpha, <floating*>self.inputs[0].delta, self.accumulate[0],
        )
        if gradient != NULL:
            scatter_rows(
                1, self.parameters[0].size, width, self.index, <const floating*>dalpha,
                self.parameters[0].accumulate, gradient,
            )
