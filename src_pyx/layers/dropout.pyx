"""Dropout: y = x / (1 - rate) where a random mask is 1, else 0; y = x outside of training. Alpha dropout likewise.

The forward pass keeps the mask for the backward pass, a byte an element. For (128, 256) elements, making it takes
61 us, and applying it 4 us. The first number is that of
``python -m timeit -s "from cbackprop.compiled.kernels.random import mask" "mask(128 * 256, 0.8, 1, 2, 3)"``.
"""

import numpy as np

from cython cimport floating
from libc.stdint cimport uint8_t

from cbackprop.compiled.kernels.random cimport random_mask
from cbackprop.compiled.kernels.vectors cimport copy_or_add
from cbackprop.compiled.layers.layer cimport Batch, Layer, LayerMemory, input_of, in_training, output_of, scratch_of


cdef void dropout_forward(
    Py_ssize_t n, floating scale,
    const uint8_t* mask,        # (n,) IN: 0 or 1
    const floating* x,          # (n,) IN
    floating* y,                # (n,) OUT, may be x itself
) noexcept nogil:
    """y = scale x where the mask is 1, else 0."""
    cdef Py_ssize_t i
    cdef floating kept
    for i in range(n):
        kept = scale * x[i]     # outside of the condition: else SSE2 code has a branch here, 15 times slower
        y[i] = kept if mask[i] else 0


cdef void dropout_backward(
    Py_ssize_t n, floating scale,
    const uint8_t* mask,        # (n,) IN: 0 or 1
    const floating* dy,         # (n,) IN
    floating* dx,               # (n,) OUT, may be dy itself
    bint add_dx,
) noexcept nogil:
    """dx = scale dy where the mask is 1, else 0."""
    cdef Py_ssize_t i
    cdef floating factor
    if add_dx:
        for i in range(n):
            factor = scale if mask[i] else 0    # chosen first: so it rounds alike in vectors and one by one
            dx[i] += factor * dy[i]
    else:
        dropout_forward(n, scale, mask, dy, dx)


cdef void alpha_dropout_forward(
    Py_ssize_t n, floating a, floating b, floating dropped,
    const uint8_t* mask,        # (n,) IN: 0 or 1
    const floating* x,          # (n,) IN
    floating* y,                # (n,) OUT, may be x itself
) noexcept nogil:
    """y = a x + b where the mask is 1, else what stands for a dropped element."""
    cdef Py_ssize_t i
    cdef floating kept
    for i in range(n):
        kept = x[i] * a + b
        y[i] = kept if mask[i] else dropped


cdef class Dropout(Layer):
    cdef double keep            # the share that is not dropped
    cdef double scale
    cdef unsigned int stream
    cdef Py_ssize_t noise_width     # random numbers for each sample
    cdef bint same_for_all      # one mask for all samples of a batch
    cdef object memory          # the index: kept alive here
    cdef const Py_ssize_t* index    # (width,): which of them belongs to an element; NULL if each has its own

    def __init__(self, spec, list input_shapes, tuple output_shape):
        cdef Py_ssize_t[::1] index
        self.expect(input_shapes, input_shapes[0], {})
        noise = spec.sample_noise_shape(output_shape)
        self.keep = 1 - spec.rate
        self.scale = 1 / self.keep if self.keep > 0 else 0.0
        self.stream = spec.stream
        self.same_for_all = spec.shares_noise
        self.noise_width = int(np.prod(noise, dtype=np.intp))
        if noise != output_shape or self.same_for_all:
            places = np.arange(self.noise_width, dtype=np.intp).reshape(noise)
            index = np.broadcast_to(places, output_shape).flatten()
            self.memory = index
            self.index = &index[0]

    cdef LayerMemory needs(self):
        """A byte for each element, and for each random number if they are fewer."""
        if self.keep >= 1:
            return LayerMemory(0, 0, 0)
        return LayerMemory(self.output_width + (0 if self.index == NULL else self.noise_width), 0, 0)

    cdef void forward(self, const Batch* batch) noexcept nogil:
        cdef bint active = self.keep < 1 and in_training(self, batch)
        if active:
            self.make_mask(batch)
        if self.is_double:
            self.run_forward(batch, active, <double*>output_of(self, batch).value)
        else:
            self.run_forward(batch, active, <float*>output_of(self, batch).value)

    cdef void run_forward(self, const Batch* batch, bint active, floating* y) noexcept nogil:
        cdef Py_ssize_t n = batch.rows * output_of(self, batch).width
        cdef const floating* x = <const floating*>input_of(self, batch, 0).value
        if active:
            self.apply(n, <const uint8_t*>scratch_of(self, batch), <void*>x, <void*>y)
        elif self.inputs[0] != self.output:
            copy_or_add(n, x, False, y)

    cdef void backward(self, const Batch* batch) noexcept nogil:
        cdef bint active = self.keep < 1 and in_training(self, batch)
        if input_of(self, batch, 0).delta == NULL:
            return
        if self.is_double:
            self.run_backward(batch, active, <const double*>output_of(self, batch).delta)
        else:
            self.run_backward(batch, active, <const float*>output_of(self, batch).delta)

    cdef void run_backward(self, const Batch* batch, bint active, const floating* dy) noexcept nogil:
        cdef Py_ssize_t n = batch.rows * output_of(self, batch).width
        cdef floating* dx = <floating*>input_of(self, batch, 0).delta
        if active:
            dropout_backward(
                n, <floating>self.scale, <const uint8_t*>scratch_of(self, batch), dy, dx, self.accumulate[0]
            )
        elif self.inputs[0] != self.output:
            copy_or_add(n, dy, self.accumulate[0], dx)

    cdef void apply(self, Py_ssize_t n, const uint8_t* mask, const void* x, void* y) noexcept nogil:
        if self.is_double:
            dropout_forward(n, self.scale, mask, <const double*>x, <double*>y)
        else:
            dropout_forward(n, <float>self.scale, mask, <const float*>x, <float*>y)

    cdef void make_mask(self, const Batch* batch) noexcept nogil:
        """Draw the mask of a batch into scratch."""
        cdef Py_ssize_t width = output_of(self, batch).width, _, j
        cdef Py_ssize_t count = self.noise_width * (1 if self.same_for_all else batch.rows)
        cdef Py_ssize_t first = self.noise_width * (0 if self.same_for_all else batch.first)
        cdef uint8_t* mask = <uint8_t*>scratch_of(self, batch)
        cdef uint8_t* noise = mask if self.index == NULL else mask + batch.rows * width
        random_mask(count, self.keep, first, batch.iteration, self.stream, self.node, noise)
        if self.index == NULL:
            return
        for _ in range(batch.rows):
            for j in range(width):
                mask[j] = noise[self.index[j]]
            mask += width
            noise += 0 if self.same_for_all else self.noise_width


cdef class AlphaDropout(Dropout):
    """y = a x + b where the mask is 1, else a constant; backwards it is a dropout with the scale a."""

    cdef double shift, dropped

    def __init__(self, spec, list input_shapes, tuple output_shape):
        Dropout.__init__(self, spec, input_shapes, output_shape)
        self.scale, self.shift, self.dropped = spec.coefficients

    cdef void apply(self, Py_ssize_t n, const uint8_t* mask, const void* x, void* y) noexcept nogil:
        if self.is_double:
            alpha_dropout_forward(n, self.scale, self.shift, self.dropped, mask, <const double*>x, <double*>y)
        else:
            alpha_dropout_forward(
                n, <float>self.scale, <float>self.shift, <float>self.dropped, mask, <const float*>x, <float*>y
            )
