"""Masks: 1 for each row of what they belong to that counts, else 0. They have no deltas; `Chosen` follows one."""

import math

import numpy as np

from cython cimport floating
from libc.string cimport memcpy

from cbackprop.compiled.engine.failure cimport fail
from cbackprop.compiled.kernels.memory cimport address
from cbackprop.compiled.layers.layer cimport Batch, Layer, input_of, output_of


cdef void differs(
    Py_ssize_t count, Py_ssize_t features, floating value,
    const floating* x,          # (count, features) IN
    floating* mask,             # (count,) OUT
) noexcept nogil:
    """mask = 1 where any x of the row differs from the value, else 0."""
    cdef Py_ssize_t i, j
    cdef bint shown
    for i in range(count):
        shown = False
        for j in range(features):
            shown |= x[j] != value
        mask[i] = shown
        x += features


cdef class Differs(Layer):
    cdef double value
    cdef Py_ssize_t features

    def __init__(self, spec, list input_shapes, tuple output_shape):
        self.value = spec.value
        self.features = spec.features
        whole = math.prod(output_shape) * self.features == math.prod(input_shapes[0])
        self.expect(input_shapes if whole else [(*output_shape, self.features)], output_shape, {})

    cdef void forward(self, const Batch* batch) noexcept nogil:
        cdef const void* x = input_of(self, batch, 0).value
        cdef void* mask = output_of(self, batch).value
        cdef Py_ssize_t count = batch.rows * output_of(self, batch).width
        if self.is_double:
            differs(count, self.features, self.value, <const double*>x, <double*>mask)
        else:
            differs(count, self.features, <float>self.value, <const float*>x, <float*>mask)


cdef void merge_mask(
    Py_ssize_t rows, Py_ssize_t width, Py_ssize_t out_width,
    const Py_ssize_t* source,   # (out_width,) IN: which element of the mask, or -1
    const floating* mask,       # (rows, width) IN
    floating* merged,           # (rows, out_width) IN and OUT
) noexcept nogil:
    """merged = 1 where the mask is not 0."""
    cdef Py_ssize_t _, j
    for _ in range(rows):
        for j in range(out_width):
            if source[j] >= 0 and mask[source[j]] != 0:
                merged[j] = 1
        mask += width
        merged += out_width


cdef class Merged(Layer):
    cdef Py_ssize_t[:, ::1] sources
    cdef double[::1] always
    cdef float[::1] always_32

    def __init__(self, spec, list input_shapes, tuple output_shape):
        self.expect(input_shapes, output_shape, {})
        self.sources = spec.sources
        fits = self.sources.shape[0] == self.n_inputs and self.sources.shape[1] == len(spec.always) == self.output_width
        if not fits or any((source >= width).any() for source, width in zip(spec.sources, self.input_widths)):
            raise ValueError("Masks do not fit what is made of them.")
        self.always = np.asarray(spec.always, np.float64)
        self.always_32 = np.asarray(spec.always, np.float32)

    cdef void run(self, const Batch* batch, const floating* always, floating* merged) noexcept nogil:
        cdef Py_ssize_t width = output_of(self, batch).width, r, k
        for r in range(batch.rows):
            memcpy(merged + r * width, always, width * sizeof(floating))
        for k in range(self.n_inputs):
            merge_mask(
                batch.rows, input_of(self, batch, k).width, width, &self.sources[k, 0],
                <const floating*>input_of(self, batch, k).value, merged,
            )

    cdef void forward(self, const Batch* batch) noexcept nogil:
        if self.is_double:
            self.run(batch, &self.always[0], <double*>output_of(self, batch).value)
        else:
            self.run(batch, &self.always_32[0], <float*>output_of(self, batch).value)


cdef class PythonMask(Layer):
    """As `PythonLayer`: called with copies, by one thread, for a whole batch."""

    cdef object spec
    cdef list input_shapes
    cdef tuple output_shape

    def __init__(self, spec, list input_shapes, tuple output_shape):
        self.expect(input_shapes, output_shape, {})
        self.spec = spec
        self.input_shapes = input_shapes
        self.output_shape = output_shape

    cdef void forward(self, const Batch* batch) noexcept nogil:
        with gil:
            try:
                self.call(batch)
            except BaseException as error:
                fail(batch.failure, error)

    cdef call(self, const Batch* batch):
        cdef Py_ssize_t i
        dtype = np.float64 if self.is_double else np.float32
        arrays = [np.empty((batch.rows, *shape), dtype) for shape in self.input_shapes]
        for i, array in enumerate(arrays):
            memcpy(address(array, dtype, array.size), input_of(self, batch, i).value, array.nbytes)
        mask = self.spec.compute(arrays, self.output_shape)
        memcpy(output_of(self, batch).value, address(mask, dtype, mask.size), mask.nbytes)


cdef void choose(
    Py_ssize_t count, Py_ssize_t features, floating value, bint shown,
    const floating* mask,       # (count,) IN
    const floating* x,          # (count, features) IN, or NULL: the value
    bint keep,
    bint add,
    floating* y,                # (count, features) OUT
) noexcept nogil:
    """y = x where the mask is `shown`; elsewhere 0, or with `keep` what is there. Added to that with `add`."""
    cdef Py_ssize_t i, j
    for i in range(count):
        if (mask[i] != 0) == shown:
            for j in range(features):
                y[j] = (y[j] if add else 0) + (value if x == NULL else x[j])
        elif not (keep or add):
            for j in range(features):
                y[j] = 0
        if x != NULL:
            x += features
        y += features


cdef class Chosen(Layer):
    cdef double value
    cdef Py_ssize_t features

    def __init__(self, spec, list input_shapes, tuple output_shape):
        self.value = spec.value
        self.features = output_shape[-1]
        others = [output_shape] if self.n_inputs > 2 else []
        self.expect([output_shape, output_shape[:-1], *others], output_shape, {})

    cdef void run(
        self, const Batch* batch, bint shown, const void* x, bint keep, bint add, void* y
    ) noexcept nogil:
        cdef const void* mask = input_of(self, batch, 1).value
        cdef Py_ssize_t count = batch.rows * input_of(self, batch, 1).width
        if self.is_double:
            choose(
                count, self.features, self.value, shown, <const double*>mask, <const double*>x, keep, add, <double*>y
            )
        else:
            choose(
                count, self.features, <float>self.value, shown, <const float*>mask, <const float*>x, keep, add,
                <float*>y,
            )

    cdef void forward(self, const Batch* batch) noexcept nogil:
        cdef void* y = output_of(self, batch).value
        self.run(batch, True, input_of(self, batch, 0).value, False, False, y)
        self.run(batch, False, input_of(self, batch, 2).value if self.n_inputs > 2 else NULL, True, False, y)

    cdef void backward(self, const Batch* batch) noexcept nogil:
        cdef const void* dy = output_of(self, batch).delta
        if input_of(self, batch, 0).delta != NULL:
            self.run(batch, True, dy, False, self.accumulate[0], input_of(self, batch, 0).delta)
        if self.n_inputs > 2 and input_of(self, batch, 2).delta != NULL:
            self.run(batch, False, dy, False, self.accumulate[2], input_of(self, batch, 2).delta)
