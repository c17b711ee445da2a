"""Discretization: y = how many boundaries are at most x, or indicators or counts of that."""

import math

from cython cimport floating
from libc.string cimport memset

from cbackprop.compiled.layers.layer cimport Batch, Buffer, Layer, input_of, output_of

cdef enum:
    NUMBERS = 0
    INDICATORS = 1
    COUNTS = 2


cdef inline Py_ssize_t bin_of(floating x, const double* limits, Py_ssize_t n) noexcept nogil:
    """How many of the n ascending limits, in the type of x, are not above it, by halves; NaN is above all."""
    cdef Py_ssize_t low = 0, high = n, middle
    while low < high:
        middle = (low + high) // 2
        if x < <floating>limits[middle]:
            high = middle
        else:
            low = middle + 1
    return low


cdef void number(
    Py_ssize_t count, Py_ssize_t n,
    const double* limits,       # (n,) IN
    const floating* x,          # (count,) IN
    floating* y,                # (count,) OUT
) noexcept nogil:
    """y[i] = the bin of x[i]."""
    cdef Py_ssize_t i
    for i in range(count):
        y[i] = bin_of(x[i], limits, n)


cdef void indicate(
    Py_ssize_t positions, Py_ssize_t tokens, Py_ssize_t n, bint count,
    const double* limits,       # (n,) IN
    const floating* x,          # (tokens, positions) IN
    floating* y,                # (positions, n + 1) OUT
) noexcept nogil:
    """y[p, c] = how many of x[:, p] are in bin c, or whether any is."""
    cdef Py_ssize_t p, t, c
    memset(y, 0, positions * (n + 1) * sizeof(floating))
    for p in range(positions):
        for t in range(tokens):
            c = bin_of(x[t * positions + p], limits, n)
            y[c] = y[c] + 1 if count else 1
        y += n + 1


cdef class Discretization(Layer):
    cdef double[::1] array      # the spec's own, so that it may adapt
    cdef const double* limits
    cdef Py_ssize_t n, positions, tokens
    cdef int mode

    def __init__(self, spec, list input_shapes, tuple output_shape):
        self.array = spec.limits
        self.n = self.array.shape[0]
        self.limits = &self.array[0] if self.n else NULL
        self.mode = {"int": NUMBERS, "count": COUNTS}.get(spec.output_mode, INDICATORS)
        self.positions = 1
        for size in output_shape[:-1]:
            self.positions *= size
        self.tokens = 1
        for size in input_shapes[0]:
            self.tokens *= size
        self.tokens //= self.positions
        whole = self.positions * self.tokens == math.prod(input_shapes[0])
        rows = output_shape[:-1] if whole else input_shapes[0][:-1]
        self.expect(input_shapes, input_shapes[0] if self.mode == NUMBERS else (*rows, self.n + 1), {})

    cdef void run(self, Py_ssize_t rows, const floating* x, floating* y) noexcept nogil:
        cdef Py_ssize_t _row
        if self.mode == NUMBERS:
            number(rows * self.positions * self.tokens, self.n, self.limits, x, y)
        else:
            for _row in range(rows):
                indicate(self.positions, self.tokens, self.n, self.mode == COUNTS, self.limits, x, y)
                x += self.positions * self.tokens
                y += self.positions * (self.n + 1)

    cdef void forward(self, const Batch* batch) noexcept nogil:
        cdef const void* x = input_of(self, batch, 0).value
        cdef void* y = output_of(self, batch).value
        if self.is_double:
            self.run(batch.rows, <const double*>x, <double*>y)
        else:
            self.run(batch.rows, <const float*>x, <float*>y)

    cdef void backward(self, const Batch* batch) noexcept nogil:
        cdef Buffer* x = input_of(self, batch, 0)
        if x.delta != NULL and not self.accumulate[0]:
            memset(x.delta, 0, batch.rows * x.width * (sizeof(double) if self.is_double else sizeof(float)))
