"""Noise in training: GaussianNoise y = x + s n, GaussianDropout y = x (1 + s n), with normal n; else y = x.

Scratch holds n, or the factors, from the forward to the backward pass.
"""

from cython cimport floating

from cbackprop.compiled.kernels.random cimport random_normal
from cbackprop.compiled.kernels.vectors cimport copy_or_add
from cbackprop.compiled.layers.layer cimport Batch, Layer, LayerMemory, input_of, in_training, output_of, scratch_of


cdef void noise_forward(
    Py_ssize_t n, floating stddev,
    const floating* noise,      # (n,) IN
    const floating* x,          # (n,) IN
    floating* y,                # (n,) OUT, may be x itself
) noexcept nogil:
    """y = x + s n."""
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = x[i] + stddev * noise[i]


cdef void factors_forward(
    Py_ssize_t n, floating stddev,
    floating* factors,          # (n,) IN: noise, OUT: 1 + s n
    const floating* x,          # (n,) IN
    floating* y,                # (n,) OUT, may be x itself
) noexcept nogil:
    """y = x (1 + s n)."""
    cdef Py_ssize_t i
    for i in range(n):
        factors[i] = 1 + stddev * factors[i]
        y[i] = x[i] * factors[i]


cdef void factors_backward(
    Py_ssize_t n,
    const floating* factors,    # (n,) IN
    const floating* dy,         # (n,) IN
    bint add,
    floating* dx,               # (n,) OUT, may be dy itself
) noexcept nogil:
    """dx = dy (1 + s n)."""
    cdef Py_ssize_t i
    if add:
        for i in range(n):
            dx[i] += dy[i] * factors[i]
    else:
        for i in range(n):
            dx[i] = dy[i] * factors[i]


cdef class Noise(Layer):
    """What both have in common; `multiplies` makes the difference."""

    cdef double stddev
    cdef unsigned int stream
    cdef bint multiplies

    def __init__(self, spec, list input_shapes, tuple output_shape):
        self.expect(input_shapes, input_shapes[0], {})
        self.stddev = spec.stddev
        self.stream = spec.stream

    cdef LayerMemory needs(self):
        return LayerMemory(self.output_width * self.itemsize if self.stddev > 0 else 0, 0, 0)

    cdef void forward(self, const Batch* batch) noexcept nogil:
        if self.is_double:
            self.run_forward(batch, <double*>output_of(self, batch).value)
        else:
            self.run_forward(batch, <float*>output_of(self, batch).value)

    cdef void run_forward(self, const Batch* batch, floating* y) noexcept nogil:
        cdef Py_ssize_t width = output_of(self, batch).width, n = batch.rows * width
        cdef const floating* x = <const floating*>input_of(self, batch, 0).value
        cdef floating* noise = <floating*>scratch_of(self, batch)
        if not (self.stddev > 0 and in_training(self, batch)):
            if self.inputs[0] != self.output:
                copy_or_add(n, x, False, y)
            return
        random_normal(n, batch.first * width, batch.iteration, self.stream, self.node, noise)
        if self.multiplies:
            factors_forward(n, <floating>self.stddev, noise, x, y)
        else:
            noise_forward(n, <floating>self.stddev, <const floating*>noise, x, y)

    cdef void backward(self, const Batch* batch) noexcept nogil:
        if input_of(self, batch, 0).delta == NULL:
            return
        if self.is_double:
            self.run_backward(batch, <const double*>output_of(self, batch).delta)
        else:
            self.run_backward(batch, <const float*>output_of(self, batch).delta)

    cdef void run_backward(self, const Batch* batch, const floating* dy) noexcept nogil:
        cdef Py_ssize_t n = batch.rows * output_of(self, batch).width
        cdef floating* dx = <floating*>input_of(self, batch, 0).delta
        if self.multiplies and self.stddev > 0 and in_training(self, batch):
            factors_backward(n, <const floating*>scratch_of(self, batch), dy, self.accumulate[0], dx)
        elif self.inputs[0] != self.output:
            copy_or_add(n, dy, self.accumulate[0], dx)


cdef class GaussianNoise(Noise):
    pass


cdef class GaussianDropout(Noise):
    def __init__(self, spec, list input_shapes, tuple output_shape):
        Noise.__init__(self, spec, input_shapes, output_shape)
        self.multiplies = True
