"""Layers of one input that change each element by itself, without weights."""

from cython cimport floating

from cbackprop.compiled.layers.layer cimport Batch, Layer, input_of, output_of


cdef void absolute_forward(
    Py_ssize_t n,
    const floating* x,          # (n,) IN
    floating* y,                # (n,) OUT
) noexcept nogil:
    """y = |x|."""
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = -x[i] if x[i] < 0 else x[i] + 0      # -0 becomes 0


cdef void absolute_backward(
    Py_ssize_t n,
    const floating* x,          # (n,) IN
    const floating* dy,         # (n,) IN
    floating* dx,               # (n,) OUT
    bint add_dx,
) noexcept nogil:
    """dx = dy sign(x)."""
    cdef Py_ssize_t i
    cdef floating delta, below
    for i in range(n):
        below = -dy[i] if x[i] < 0 else 0
        delta = dy[i] if x[i] > 0 else below
        dx[i] = dx[i] + delta if add_dx else delta


cdef class Absolute(Layer):
    def __init__(self, spec, list input_shapes, tuple output_shape):
        self.expect(input_shapes, input_shapes[0], {})

    cdef void forward(self, const Batch* batch) noexcept nogil:
        cdef Py_ssize_t n = batch.rows * output_of(self, batch).width
        cdef const void* x = input_of(self, batch, 0).value
        if self.is_double:
            absolute_forward(n, <const double*>x, <double*>output_of(self, batch).value)
        else:
            absolute_forward(n, <const float*>x, <float*>output_of(self, batch).value)

    cdef void backward(self, const Batch* batch) noexcept nogil:
        cdef Py_ssize_t n = batch.rows * output_of(self, batch).width
        cdef const void* x = input_of(self, batch, 0).value
        cdef const void* dy = output_of(self, batch).delta
        cdef void* dx = input_of(self, batch, 0).delta
        if dx == NULL:
            return
        if self.is_double:
            absolute_backward(n, <const double*>x, <const double*>dy, <double*>dx, self.accumulate[0])
        else:
            absolute_backward(n, <const float*>x, <const float*>dy, <float*>dx, self.accumulate[0])
