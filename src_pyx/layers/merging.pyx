"""Merges element by element: Add, Subtract, Multiply, Average, Maximum, Minimum.

A merge of several inputs is a chain y = ((x0 op x1) op x2) op ..., as in Keras, so that each
operation needs one pair of kernels on two arrays of the same size. The chain runs backwards from the
last input to the first. Inputs that broadcast are stretched to the output's shape first, in scratch;
inputs that have its shape are read where they are.
"""

import numpy as np

from cython cimport floating
from libc.stdlib cimport calloc, free

from cbackprop.compiled.kernels.gather cimport gather_rows, scatter_rows
from cbackprop.compiled.kernels.vectors cimport copy_or_add
from cbackprop.compiled.layers.layer cimport Batch, Layer, LayerMemory, input_of, output_of, scratch_of


cdef void add_forward(
    Py_ssize_t n,
    const floating* a,          # (n,) IN
    const floating* b,          # (n,) IN
    floating* y,                # (n,) OUT, may be a itself
) noexcept nogil:
    """y = a + b."""
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] + b[i]


cdef void add_backward(
    Py_ssize_t n,
    const floating* delta,      # (n,) IN dL/dy, which is dL/da too
    floating* db,               # (n,) OUT, or NULL
    bint add_db,
) noexcept nogil:
    """db = delta."""
    if db != NULL:
        copy_or_add(n, delta, add_db, db)


cdef void subtract_forward(
    Py_ssize_t n,
    const floating* a,          # (n,) IN
    const floating* b,          # (n,) IN
    floating* y,                # (n,) OUT
) noexcept nogil:
    """y = a - b."""
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] - b[i]


cdef void subtract_backward(
    Py_ssize_t n,
    const floating* delta,      # (n,) IN dL/dy, which is dL/da too
    floating* db,               # (n,) OUT, or NULL
    bint add_db,
) noexcept nogil:
    """db = -delta."""
    cdef Py_ssize_t i
    if db == NULL:
        return
    if add_db:
        for i in range(n):
            db[i] -= delta[i]
    else:
        for i in range(n):
            db[i] = -delta[i]


cdef void multiply_forward(
    Py_ssize_t n,
    const floating* a,          # (n,) IN
    const floating* b,          # (n,) IN
    floating* y,                # (n,) OUT, may be a itself
) noexcept nogil:
    """y = a b."""
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] * b[i]


cdef void multiply_backward(
    Py_ssize_t n,
    const floating* a,          # (n,) IN
    const floating* b,          # (n,) IN
    floating* delta,            # (n,) IN dL/dy, OUT dL/da
    floating* db,               # (n,) OUT, or NULL; may be b itself
    bint add_db,
) noexcept nogil:
    """db = a delta, da = b delta."""
    cdef Py_ssize_t i
    cdef floating dy
    if db == NULL:
        for i in range(n):
            delta[i] *= b[i]
    elif add_db:
        for i in range(n):
            dy = delta[i]
            delta[i] = dy * b[i]
            db[i] += dy * a[i]
    else:
        for i in range(n):
            dy = delta[i]
            delta[i] = dy * b[i]
            db[i] = dy * a[i]


cdef void extreme_forward(
    Py_ssize_t n,
    floating sign,              # 1 for the maximum, -1 for the minimum
    const floating* a,          # (n,) IN
    const floating* b,          # (n,) IN
    floating* y,                # (n,) OUT, may be a itself
) noexcept nogil:
    """y = sign max(sign a, sign b); NaN if either is."""
    cdef Py_ssize_t i
    cdef floating extreme
    for i in range(n):
        extreme = b[i] if sign * b[i] > sign * a[i] else a[i]
        y[i] = extreme if b[i] == b[i] else b[i]


cdef void extreme_backward(
    Py_ssize_t n,
    floating sign,
    const floating* a,          # (n,) IN
    const floating* b,          # (n,) IN
    floating* delta,            # (n,) IN dL/dy, OUT dL/da
    floating* db,               # (n,) OUT, or NULL; may be b itself
    bint add_db,
) noexcept nogil:
    """All of delta goes to the larger of sign a and sign b; both get half of it where they are equal."""
    cdef Py_ssize_t i
    cdef floating of_a, of_b
    for i in range(n):
        of_b = delta[i] * (1 if sign * b[i] > sign * a[i] else <floating>0.5 if b[i] == a[i] else 0)
        of_a = delta[i] - of_b
        if db != NULL:
            db[i] = db[i] + of_b if add_db else of_b
        delta[i] = of_a


cdef void divide(Py_ssize_t n, floating divisor, floating* x) noexcept nogil:
    """x /= divisor.

    x (n,) IN, OUT.
    """
    cdef Py_ssize_t i
    for i in range(n):
        x[i] /= divisor


cdef class Merge(Layer):
    """Subclasses override `combine` and `separate`, and set `reads_values` if the second reads a and b."""

    def __cinit__(self, spec, list input_shapes, tuple output_shape):
        self.operands = <Operand*>calloc(len(input_shapes) + 1, sizeof(Operand))
        if self.operands == NULL:
            raise MemoryError()

    def __dealloc__(self):
        free(self.operands)

    def __init__(self, spec, list input_shapes, tuple output_shape):
        cdef Py_ssize_t[::1] index
        cdef Py_ssize_t i
        self.expect(input_shapes, np.broadcast_shapes(*input_shapes), {})
        self.memory = []
        for i, shape in enumerate(input_shapes):
            if shape == output_shape:
                continue
            elements = np.arange(np.prod(shape, dtype=np.intp), dtype=np.intp).reshape(shape)
            index = np.broadcast_to(elements, output_shape).flatten()
            self.memory.append(index)
            self.operands[i] = Operand(&index[0], self.n_stretched)
            self.n_stretched += 1

    cdef LayerMemory needs(self):
        cdef Py_ssize_t slots = self.n_stretched + (self.n_inputs - 2 if self.reads_values else 0)
        return LayerMemory(slots * self.output_width * self.itemsize, 0, 0)

    cdef void combine(self, Py_ssize_t n, const void* a, const void* b, void* y) noexcept nogil:
        """y = a op b, where y may be a itself unless `reads_values`."""
        pass

    cdef void separate(
        self, Py_ssize_t n, const void* a, const void* b, void* delta, void* db, bint add_db
    ) noexcept nogil:
        """From delta = dL/dy, make db = dL/db (or add to it; not at all if it is NULL), and turn delta into dL/da.

        `db` may be b itself.
        """
        pass

    cdef void* slot(self, const Batch* batch, Py_ssize_t k) noexcept nogil:
        """Part k of scratch, as large as the output."""
        cdef Py_ssize_t size = batch.rows * output_of(self, batch).width
        return <char*>scratch_of(self, batch) + k * size * self.itemsize

    cdef void* operand(self, const Batch* batch, Py_ssize_t i) noexcept nogil:
        """Input i in the output's shape."""
        if self.operands[i].index == NULL:
            return input_of(self, batch, i).value
        return self.slot(batch, self.operands[i].slot)

    cdef void* result(self, const Batch* batch, Py_ssize_t i) noexcept nogil:
        """The result of the inputs up to i: in scratch if it is kept for the backward pass."""
        if i == 0:
            return self.operand(batch, 0)
        if self.reads_values and i < self.n_inputs - 1:
            return self.slot(batch, self.n_stretched + i - 1)
        return output_of(self, batch).value

    cdef bint adds_to(self, Py_ssize_t i) noexcept nogil:
        """Whether delta i holds something already.

        The flags in `accumulate` are meant for going from the first input to the last. Here the last
        comes first, so of several places of one tensor the last has the flag of the first.
        """
        cdef Py_ssize_t j
        for j in range(i + 1, self.n_inputs):
            if self.inputs[j] == self.inputs[i]:
                return True
        for j in range(i):
            if self.inputs[j] == self.inputs[i]:
                return self.accumulate[j]
        return self.accumulate[i]

    cdef void forward(self, const Batch* batch) noexcept nogil:
        cdef Py_ssize_t n = batch.rows * output_of(self, batch).width, i
        for i in range(self.n_inputs):
            if self.operands[i].index != NULL:
                self.stretch(batch, i)
        for i in range(1, self.n_inputs):
            self.combine(n, self.result(batch, i - 1), self.operand(batch, i), self.result(batch, i))

    cdef void backward(self, const Batch* batch) noexcept nogil:
        cdef Py_ssize_t n = batch.rows * output_of(self, batch).width, i
        cdef void* delta = output_of(self, batch).delta
        cdef void* a
        cdef void* b
        for i in range(self.n_inputs - 1, 0, -1):
            a, b = self.result(batch, i - 1), self.operand(batch, i)
            if self.operands[i].index == NULL:
                self.separate(n, a, b, delta, input_of(self, batch, i).delta, self.adds_to(i))
            else:
                self.separate(n, a, b, delta, b if input_of(self, batch, i).delta != NULL else NULL, False)
                self.give(batch, i, b)
        self.give(batch, 0, delta)

    cdef void stretch(self, const Batch* batch, Py_ssize_t i) noexcept nogil:
        """Broadcast input i into its part of scratch."""
        cdef const Py_ssize_t* index = self.operands[i].index
        cdef Py_ssize_t width = input_of(self, batch, i).width, out_width = output_of(self, batch).width
        cdef const void* x = input_of(self, batch, i).value
        cdef void* out = self.operand(batch, i)
        if self.is_double:
            gather_rows(batch.rows, width, out_width, index, <const double*>x, <double*>out)
        else:
            gather_rows(batch.rows, width, out_width, index, <const float*>x, <float*>out)

    cdef void give(self, const Batch* batch, Py_ssize_t i, const void* delta) noexcept nogil:
        """Give input i its delta, summed over the axes along which it was broadcast."""
        if input_of(self, batch, i).delta == NULL:
            return
        if self.is_double:
            self.give_typed(batch, i, <const double*>delta)
        else:
            self.give_typed(batch, i, <const float*>delta)

    cdef void give_typed(self, const Batch* batch, Py_ssize_t i, const floating* delta) noexcept nogil:
        cdef const Py_ssize_t* index = self.operands[i].index
        cdef Py_ssize_t width = output_of(self, batch).width
        cdef floating* dx = <floating*>input_of(self, batch, i).delta
        if index == NULL:
            copy_or_add(batch.rows * width, delta, self.adds_to(i), dx)
        else:
            scatter_rows(batch.rows, input_of(self, batch, i).width, width, index, delta, self.adds_to(i), dx)


cdef class Add(Merge):
    cdef void combine(self, Py_ssize_t n, const void* a, const void* b, void* y) noexcept nogil:
        if self.is_double:
            add_forward(n, <const double*>a, <const double*>b, <double*>y)
        else:
            add_forward(n, <const float*>a, <const float*>b, <float*>y)

    cdef void separate(
        self, Py_ssize_t n, const void* a, const void* b, void* delta, void* db, bint add_db
    ) noexcept nogil:
        if self.is_double:
            add_backward(n, <const double*>delta, <double*>db, add_db)
        else:
            add_backward(n, <const float*>delta, <float*>db, add_db)


cdef class Subtract(Merge):
    cdef void combine(self, Py_ssize_t n, const void* a, const void* b, void* y) noexcept nogil:
        if self.is_double:
            subtract_forward(n, <const double*>a, <const double*>b, <double*>y)
        else:
            subtract_forward(n, <const float*>a, <const float*>b, <float*>y)

    cdef void separate(
        self, Py_ssize_t n, const void* a, const void* b, void* delta, void* db, bint add_db
    ) noexcept nogil:
        if self.is_double:
            subtract_backward(n, <const double*>delta, <double*>db, add_db)
        else:
            subtract_backward(n, <const float*>delta, <float*>db, add_db)


cdef class Average(Add):
    """The sum, divided by the number of inputs."""

    cdef void forward(self, const Batch* batch) noexcept nogil:
        Add.forward(self, batch)
        self.divide(batch.rows * output_of(self, batch).width, output_of(self, batch).value)

    cdef void backward(self, const Batch* batch) noexcept nogil:
        self.divide(batch.rows * output_of(self, batch).width, output_of(self, batch).delta)
        Add.backward(self, batch)

    cdef void divide(self, Py_ssize_t n, void* x) noexcept nogil:
        if self.is_double:
            divide(n, <double>self.n_inputs, <double*>x)
        else:
            divide(n, <float>self.n_inputs, <float*>x)


cdef class Multiply(Merge):
    def __cinit__(self, spec, list input_shapes, tuple output_shape):
        self.reads_values = True

    cdef void combine(self, Py_ssize_t n, const void* a, const void* b, void* y) noexcept nogil:
        if self.is_double:
            multiply_forward(n, <const double*>a, <const double*>b, <double*>y)
        else:
            multiply_forward(n, <const float*>a, <const float*>b, <float*>y)

    cdef void separate(
        self, Py_ssize_t n, const void* a, const void* b, void* delta, void* db, bint add_db
    ) noexcept nogil:
        if self.is_double:
            multiply_backward(n, <const double*>a, <const double*>b, <double*>delta, <double*>db, add_db)
        else:
            multiply_backward(n, <const float*>a, <const float*>b, <float*>delta, <float*>db, add_db)


cdef class Maximum(Merge):
    cdef int sign

    def __cinit__(self, spec, list input_shapes, tuple output_shape):
        self.reads_values = True
        self.sign = 1

    cdef void combine(self, Py_ssize_t n, const void* a, const void* b, void* y) noexcept nogil:
        if self.is_double:
            extreme_forward(n, <double>self.sign, <const double*>a, <const double*>b, <double*>y)
        else:
            extreme_forward(n, <float>self.sign, <const float*>a, <const float*>b, <float*>y)

    cdef void separate(
        self, Py_ssize_t n, const void* a, const void* b, void* delta, void* db, bint add_db
    ) noexcept nogil:
        if self.is_double:
            extreme_backward(
                n, <double>self.sign, <const double*>a, <const double*>b, <double*>delta, <double*>db, add_db
            )
        else:
            extreme_backward(n, <float>self.sign, <const float*>a, <const float*>b, <float*>delta, <float*>db, add_db)


cdef class Minimum(Maximum):
    def __cinit__(self, spec, list input_shapes, tuple output_shape):
        self.sign = -1
