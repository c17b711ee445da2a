"""Layers that prepare data: Rescaling, Normalization, CategoryEncoding, Masking."""

import math

import numpy as np

from cython cimport floating
from libc.string cimport memset

from cbackprop.compiled.kernels.elementary cimport sqrt
from cbackprop.compiled.kernels.epsilon cimport EPSILON
from cbackprop.compiled.kernels.ids cimport to_id
from cbackprop.compiled.layers.layer cimport Batch, Buffer, Layer, input_of, output_of, weight_of


cdef void scale_rows(
    Py_ssize_t rows, Py_ssize_t width,
    const double* scale,        # (width,) IN
    const double* offset,       # (width,) IN
    const floating* x,          # (rows, width) IN
    bint add,
    floating* y,                # (rows, width) OUT, may be x itself
) noexcept nogil:
    """y = x scale + offset, added to what is there if `add`."""
    cdef Py_ssize_t _, j
    for _ in range(rows):
        if add:
            for j in range(width):
                y[j] += x[j] * <floating>scale[j] + <floating>offset[j]
        else:
            for j in range(width):
                y[j] = x[j] * <floating>scale[j] + <floating>offset[j]
        x += width
        y += width


cdef class Rescaling(Layer):
    cdef double[::1] scale, offset, zeros

    def __init__(self, spec, list input_shapes, tuple output_shape):
        self.expect(input_shapes, input_shapes[0], {})
        self.scale = spec.constant("scale", output_shape).flatten()
        self.offset = spec.constant("offset", output_shape).flatten()
        self.zeros = np.zeros(self.scale.shape[0])

    cdef void run(self, const Batch* batch, const double* offset, const void* x, bint add, void* y) noexcept nogil:
        cdef Py_ssize_t width = output_of(self, batch).width
        if self.is_double:
            scale_rows(batch.rows, width, &self.scale[0], offset, <const double*>x, add, <double*>y)
        else:
            scale_rows(batch.rows, width, &self.scale[0], offset, <const float*>x, add, <float*>y)

    cdef void forward(self, const Batch* batch) noexcept nogil:
        self.run(batch, &self.offset[0], input_of(self, batch, 0).value, False, output_of(self, batch).value)

    cdef void backward(self, const Batch* batch) noexcept nogil:
        if input_of(self, batch, 0).delta != NULL:
            self.run(
                batch, &self.zeros[0], output_of(self, batch).delta, self.accumulate[0], input_of(self, batch, 0).delta
            )


cdef inline floating deviation(floating variance) noexcept nogil:
    """Never 0."""
    cdef floating root = sqrt(variance)
    return root if root > <floating>EPSILON else <floating>EPSILON


cdef void normalize_rows(
    Py_ssize_t rows, Py_ssize_t width,
    const Py_ssize_t* index,    # (width,) IN: whose mean and variance are an element's
    const floating* mean,       # (n,) IN, or NULL: only the factor is applied
    const floating* variance,   # (n,) IN
    bint invert,
    const floating* x,          # (rows, width) IN
    bint add,
    floating* y,                # (rows, width) OUT, may be x itself
) noexcept nogil:
    """y = (x - mean) / deviation, or x deviation + mean with `invert`; added to what is there if `add`."""
    cdef Py_ssize_t _, j, k
    cdef floating result, shift
    for _ in range(rows):
        for j in range(width):
            k = index[j]
            shift = mean[k] if mean != NULL else 0
            if invert:
                result = x[j] * deviation(variance[k]) + shift
            else:
                result = (x[j] - shift) / deviation(variance[k])
            y[j] = y[j] + result if add else result
        x += width
        y += width


cdef class Normalization(Layer):
    """Mean and variance are the first two parameters, or constants."""

    cdef Py_ssize_t[::1] index
    cdef double[:, ::1] constants
    cdef float[:, ::1] constants_32
    cdef bint invert, given_numbers

    def __init__(self, spec, list input_shapes, tuple output_shape):
        self.given_numbers = spec.input_mean is not None
        shape = spec.statistic_shape((None, *input_shapes[0]))
        weights = {} if self.given_numbers else {"adapt_mean": shape, "adapt_variance": shape}
        self.expect(input_shapes, input_shapes[0], weights)
        self.index = spec.places(output_shape).flatten()
        self.invert = spec.invert
        if self.given_numbers:
            self.constants = np.array([np.ravel(spec.input_mean), np.ravel(spec.input_variance)], np.float64)
            self.constants_32 = np.asarray(self.constants, np.float32)

    cdef const void* statistic(self, const Batch* batch, int k) noexcept nogil:
        if not self.given_numbers:
            return weight_of(self, batch, k)
        return <const void*>&self.constants[k, 0] if self.is_double else <const void*>&self.constants_32[k, 0]

    cdef void run(self, const Batch* batch, const void* mean, const void* x, bint add, void* y) noexcept nogil:
        cdef Py_ssize_t width = output_of(self, batch).width
        if self.is_double:
            normalize_rows(
                batch.rows, width, &self.index[0], <const double*>mean, <const double*>self.statistic(batch, 1),
                self.invert, <const double*>x, add, <double*>y,
            )
        else:
            normalize_rows(
                batch.rows, width, &self.index[0], <const float*>mean, <const float*>self.statistic(batch, 1),
                self.invert, <const float*>x, add, <float*>y,
            )

    cdef void forward(self, const Batch* batch) noexcept nogil:
        self.run(batch, self.statistic(batch, 0), input_of(self, batch, 0).value, False, output_of(self, batch).value)

    cdef void backward(self, const Batch* batch) noexcept nogil:
        if input_of(self, batch, 0).delta != NULL:
            self.run(batch, NULL, output_of(self, batch).delta, self.accumulate[0], input_of(self, batch, 0).delta)


cdef void encode(
    Py_ssize_t positions, Py_ssize_t tokens, Py_ssize_t classes, bint count,
    const floating* x,          # (positions, tokens) IN
    const floating* weights,    # (positions, tokens) IN, or NULL: 1
    floating* y,                # (positions, classes) OUT
) noexcept nogil:
    """y[p, c] = how often c is in x[p], or the sum of its weights there; without `count`, whether it is."""
    cdef Py_ssize_t p, t, c
    memset(y, 0, positions * classes * sizeof(floating))
    for p in range(positions):
        for t in range(p * tokens, (p + 1) * tokens):
            if 0 <= x[t] < classes:
                c = p * classes + to_id(x[t], classes)
                y[c] = y[c] + (1 if weights == NULL else weights[t]) if count else 1


cdef void weigh_backward(
    Py_ssize_t positions, Py_ssize_t tokens, Py_ssize_t classes,
    const floating* x,          # (positions, tokens) IN
    const floating* delta,      # (positions, classes) IN
    bint add,
    floating* d_weights,        # (positions, tokens) OUT
) noexcept nogil:
    """d_weights[p, t] = delta[p, x[p, t]], added to what is there if `add`."""
    cdef Py_ssize_t _, t
    cdef floating value
    for _ in range(positions):
        for t in range(tokens):
            value = delta[to_id(x[t], classes)] if 0 <= x[t] < classes else 0
            d_weights[t] = d_weights[t] + value if add else value
        x += tokens
        delta += classes
        d_weights += tokens


cdef class CategoryEncoding(Layer):
    """The weights of counts, if there are any, are the second input."""

    cdef Py_ssize_t positions, tokens, classes
    cdef bint count

    def __init__(self, spec, list input_shapes, tuple output_shape):
        self.classes = spec.num_tokens
        self.count = spec.output_mode == "count"
        self.positions = 1
        for size in output_shape[:-1]:
            self.positions *= size
        self.tokens = 1
        for size in input_shapes[0]:
            self.tokens *= size
        self.tokens //= self.positions
        whole = self.positions * self.tokens == math.prod(input_shapes[0])
        rows = output_shape[:-1] if whole else input_shapes[0][:-1]
        self.expect([input_shapes[0]] * len(input_shapes), (*rows, self.classes), {})

    cdef void forward(self, const Batch* batch) noexcept nogil:
        cdef const void* x = input_of(self, batch, 0).value
        cdef const void* weights = input_of(self, batch, 1).value if self.n_inputs == 2 else NULL
        cdef void* y = output_of(self, batch).value
        cdef Py_ssize_t positions = batch.rows * self.positions
        if self.is_double:
            encode(
                positions, self.tokens, self.classes, self.count, <const double*>x, <const double*>weights, <double*>y
            )
        else:
            encode(positions, self.tokens, self.classes, self.count, <const float*>x, <const float*>weights, <float*>y)

    cdef void backward(self, const Batch* batch) noexcept nogil:
        cdef Buffer* x = input_of(self, batch, 0)
        if x.delta != NULL and not self.accumulate[0]:
            memset(x.delta, 0, batch.rows * x.width * (sizeof(double) if self.is_double else sizeof(float)))
        if self.n_inputs == 2 and input_of(self, batch, 1).delta != NULL:
            self.backward_weights(
                batch.rows * self.positions, x.value, output_of(self, batch).delta, input_of(self, batch, 1).delta
            )

    cdef void backward_weights(
        self, Py_ssize_t positions, const void* x, const void* delta, void* d_weights
    ) noexcept nogil:
        cdef bint add = self.accumulate[1]
        if self.is_double:
            weigh_backward(
                positions, self.tokens, self.classes, <const double*>x, <const double*>delta, add, <double*>d_weights
            )
        else:
            weigh_backward(
                positions, self.tokens, self.classes, <const float*>x, <const float*>delta, add, <float*>d_weights
            )


cdef void mask_rows(
    Py_ssize_t steps, Py_ssize_t features, floating mask_value,
    const floating* x,          # (steps, features) IN
    const floating* values,     # (steps, features) IN
    bint add,
    floating* out,              # (steps, features) OUT
) noexcept nogil:
    """Values where any x of the step differs from the mask value, else 0; added to what is there if `add`."""
    cdef Py_ssize_t _, j
    cdef bint shown
    for _ in range(steps):
        shown = False
        for j in range(features):
            shown |= x[j] != mask_value
        for j in range(features):
            if add:
                out[j] += values[j] if shown else 0
            else:
                out[j] = values[j] if shown else 0
        x += features
        values += features
        out += features


cdef class Masking(Layer):
    cdef double mask_value
    cdef Py_ssize_t features

    def __init__(self, spec, list input_shapes, tuple output_shape):
        self.mask_value = spec.mask_value
        self.expect(input_shapes, input_shapes[0], {})
        self.features = output_shape[-1]

    cdef void run(self, const Batch* batch, const void* values, bint add, void* out) noexcept nogil:
        cdef const void* x = input_of(self, batch, 0).value
        cdef Py_ssize_t steps = batch.rows * (output_of(self, batch).width // self.features)
        if self.is_double:
            mask_rows(
                steps, self.features, self.mask_value, <const double*>x, <const double*>values, add, <double*>out
            )
        else:
            mask_rows(
                steps, self.features, <float>self.mask_value, <const float*>x, <const float*>values, add, <float*>out
            )

    cdef void forward(self, const Batch* batch) noexcept nogil:
        self.run(batch, input_of(self, batch, 0).value, False, output_of(self, batch).value)

    cdef void backward(self, const Batch* batch) noexcept nogil:
        if input_of(self, batch, 0).delta != NULL:
            self.run(batch, output_of(self, batch).delta, self.accumulate[0], input_of(self, batch, 0).delta)
