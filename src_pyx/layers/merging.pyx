"""Merges: element by element (Add, Multiply, Maximum ...), side by side (Concatenate), and as products (Dot).

An element-wise merge of several inputs is a chain y = ((x0 op x1) op x2) op ..., as in Keras, so that each
operation needs one pair of kernels on two arrays of the same size. The chain runs backwards from the
last input to the first. Inputs that broadcast are stretched to the output's shape first, in scratch;
inputs that have its shape are read where they are.
"""

import numpy as np

from cython cimport floating
from libc.math cimport pow, powf
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from cbackprop.compiled.kernels.elementary cimport log, sqrt
from cbackprop.compiled.kernels.gather cimport gather_rows, scatter_rows
from cbackprop.compiled.kernels.matrix cimport WORKSPACE_BYTES, multiply
from cbackprop.compiled.kernels.vectors cimport copy_or_add
from cbackprop.compiled.layers.layer cimport Batch, Layer, input_of, output_of, scratch_of


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


cdef void true_divide_forward(
    Py_ssize_t n,
    const floating* a,          # (n,) IN
    const floating* b,          # (n,) IN
    floating* y,                # (n,) OUT, may be a itself
) noexcept nogil:
    """y = a / b."""
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = a[i] / b[i]


cdef void true_divide_backward(
    Py_ssize_t n,
    const floating* a,          # (n,) IN
    const floating* b,          # (n,) IN
    floating* delta,            # (n,) IN dL/dy, OUT dL/da
    floating* db,               # (n,) OUT, or NULL; may be b itself
    bint add_db,
) noexcept nogil:
    """da = delta / b, db = -(delta / b) (a / b)."""
    cdef Py_ssize_t i
    cdef floating of_a, of_b
    for i in range(n):
        of_a = delta[i] / b[i]
        of_b = -of_a * (a[i] / b[i])
        if db != NULL:
            db[i] = db[i] + of_b if add_db else of_b
        delta[i] = of_a


cdef inline floating power_of(floating x, floating exponent) noexcept nogil:
    """x ** exponent, of the usual exponents to the last digit."""
    if exponent == 2:
        return x * x
    if exponent == 1:
        return x
    if exponent == -1:
        return 1 / x
    if floating is float:
        return powf(x, exponent)
    else:
        return pow(x, exponent)


cdef inline floating power_slope(floating x, floating exponent) noexcept nogil:
    """The derivative of x ** exponent."""
    return exponent * power_of(x, exponent - 1) if exponent != 0 else 0


cdef void power_forward(
    Py_ssize_t n,
    const floating* a,          # (n,) IN
    const floating* b,          # (n,) IN exponents
    floating* y,                # (n,) OUT, may be a itself
) noexcept nogil:
    """y = a ** b."""
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = power_of(a[i], b[i])


cdef void power_backward(
    Py_ssize_t n,
    const floating* a,          # (n,) IN
    const floating* b,          # (n,) IN exponents
    floating* delta,            # (n,) IN dL/dy, OUT dL/da
    floating* db,               # (n,) OUT, or NULL; may be b itself
    bint add_db,
) noexcept nogil:
    """da = delta b a ** (b - 1), db = delta a ** b log(a), which is 0 where a is 0 and b is not negative."""
    cdef Py_ssize_t i
    cdef floating of_a, of_b
    for i in range(n):
        of_a = delta[i] * power_slope(a[i], b[i])
        if db != NULL:
            of_b = 0 if a[i] == 0 and b[i] >= 0 else delta[i] * power_of(a[i], b[i]) * log(a[i])
            db[i] = db[i] + of_b if add_db else of_b
        delta[i] = of_a


cdef void power_of_number_forward(
    Py_ssize_t n, floating exponent,
    const floating* x,          # (n,) IN
    floating* y,                # (n,) OUT
) noexcept nogil:
    """y = x ** exponent."""
    cdef Py_ssize_t i
    if exponent == 2:
        for i in range(n):
            y[i] = x[i] * x[i]
    else:
        for i in range(n):
            y[i] = power_of(x[i], exponent)


cdef void power_of_number_backward(
    Py_ssize_t n, floating exponent,
    const floating* x,          # (n,) IN
    const floating* dy,         # (n,) IN
    floating* dx,               # (n,) OUT
    bint add_dx,
) noexcept nogil:
    """dx = dy exponent x ** (exponent - 1)."""
    cdef Py_ssize_t i
    cdef floating delta
    for i in range(n):
        delta = dy[i] * power_slope(x[i], exponent)
        dx[i] = dx[i] + delta if add_dx else delta


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


cdef struct Operand:
    const Py_ssize_t* index     # (width of the output,): the input's element at each place; NULL if it is the same
    Py_ssize_t slot             # the part of scratch in which the input is stretched


cdef class Merge(Layer):
    """Subclasses override `combine` and `separate`, and set `reads_values` if the second reads a and b."""

    cdef Operand* operands
    cdef list memory            # what the operands' indices point into
    cdef Py_ssize_t n_stretched
    cdef bint reads_values

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
        slots = self.n_stretched + (self.n_inputs - 2 if self.reads_values else 0)
        self.scratch_width = slots * int(np.prod(output_shape, dtype=np.intp))

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
        return <char*>scratch_of(self, batch) + k * size * (8 if self.is_double else 4)

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


cdef class TrueDivide(Merge):
    def __cinit__(self, spec, list input_shapes, tuple output_shape):
        self.reads_values = True

    cdef void combine(self, Py_ssize_t n, const void* a, const void* b, void* y) noexcept nogil:
        if self.is_double:
            true_divide_forward(n, <const double*>a, <const double*>b, <double*>y)
        else:
            true_divide_forward(n, <const float*>a, <const float*>b, <float*>y)

    cdef void separate(
        self, Py_ssize_t n, const void* a, const void* b, void* delta, void* db, bint add_db
    ) noexcept nogil:
        if self.is_double:
            true_divide_backward(n, <const double*>a, <const double*>b, <double*>delta, <double*>db, add_db)
        else:
            true_divide_backward(n, <const float*>a, <const float*>b, <float*>delta, <float*>db, add_db)


cdef class Power(Merge):
    """Of two inputs, or of one whose exponent is a number."""

    cdef double exponent

    def __cinit__(self, spec, list input_shapes, tuple output_shape):
        self.reads_values = self.n_inputs > 1
        self.exponent = 0 if spec.exponent is None else spec.exponent

    cdef void combine(self, Py_ssize_t n, const void* a, const void* b, void* y) noexcept nogil:
        if self.is_double:
            power_forward(n, <const double*>a, <const double*>b, <double*>y)
        else:
            power_forward(n, <const float*>a, <const float*>b, <float*>y)

    cdef void separate(
        self, Py_ssize_t n, const void* a, const void* b, void* delta, void* db, bint add_db
    ) noexcept nogil:
        if self.is_double:
            power_backward(n, <const double*>a, <const double*>b, <double*>delta, <double*>db, add_db)
        else:
            power_backward(n, <const float*>a, <const float*>b, <float*>delta, <float*>db, add_db)

    cdef void forward(self, const Batch* batch) noexcept nogil:
        cdef Py_ssize_t n = batch.rows * output_of(self, batch).width
        cdef const void* x = input_of(self, batch, 0).value
        if self.n_inputs > 1:
            Merge.forward(self, batch)
        elif self.is_double:
            power_of_number_forward(n, self.exponent, <const double*>x, <double*>output_of(self, batch).value)
        else:
            power_of_number_forward(n, <float>self.exponent, <const float*>x, <float*>output_of(self, batch).value)

    cdef void backward(self, const Batch* batch) noexcept nogil:
        cdef Py_ssize_t n = batch.rows * output_of(self, batch).width
        cdef const void* x = input_of(self, batch, 0).value
        cdef const void* dy = output_of(self, batch).delta
        cdef void* dx = input_of(self, batch, 0).delta
        cdef bint add = self.accumulate[0]
        if self.n_inputs > 1:
            Merge.backward(self, batch)
        elif dx == NULL:
            return
        elif self.is_double:
            power_of_number_backward(n, self.exponent, <const double*>x, <const double*>dy, <double*>dx, add)
        else:
            power_of_number_backward(n, <float>self.exponent, <const float*>x, <const float*>dy, <float*>dx, add)


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


cdef void concatenate_forward(
    Py_ssize_t positions, Py_ssize_t width, Py_ssize_t total,
    const floating* x,          # (positions, width) IN
    floating* y,                # (positions, total) OUT: its first `width` columns
) noexcept nogil:
    """y[:, :width] = x."""
    cdef Py_ssize_t p
    for p in range(positions):
        memcpy(y + p * total, x + p * width, width * sizeof(floating))


cdef void concatenate_backward(
    Py_ssize_t positions, Py_ssize_t width, Py_ssize_t total,
    const floating* dy,         # (positions, total) IN: its first `width` columns
    floating* dx,               # (positions, width) OUT, or NULL
    bint add_dx,
) noexcept nogil:
    """dx = dy[:, :width]."""
    cdef Py_ssize_t p
    if dx == NULL:
        return
    for p in range(positions):
        copy_or_add(width, dy + p * total, add_dx, dx + p * width)


cdef class Concatenate(Layer):
    cdef Py_ssize_t positions   # places in front of the axis, in each sample

    def __init__(self, spec, list input_shapes, tuple output_shape):
        axis = spec.positive_axis(len(input_shapes[0]) + 1)
        before, behind = input_shapes[0][:axis - 1], input_shapes[0][axis:]
        length = sum(shape[axis - 1] for shape in input_shapes)
        fitting = [(*before, shape[axis - 1], *behind) for shape in input_shapes]
        self.expect(fitting, (*before, length, *behind), {})
        self.positions = int(np.prod(output_shape[:axis - 1], dtype=np.intp))

    cdef void forward(self, const Batch* batch) noexcept nogil:
        if self.is_double:
            self.run_forward(batch, <double*>output_of(self, batch).value)
        else:
            self.run_forward(batch, <float*>output_of(self, batch).value)

    cdef void run_forward(self, const Batch* batch, floating* y) noexcept nogil:
        cdef Py_ssize_t positions = batch.rows * self.positions, i, width
        cdef Py_ssize_t total = output_of(self, batch).width // self.positions
        for i in range(self.n_inputs):
            width = input_of(self, batch, i).width // self.positions
            concatenate_forward(positions, width, total, <const floating*>input_of(self, batch, i).value, y)
            y += width

    cdef void backward(self, const Batch* batch) noexcept nogil:
        if self.is_double:
            self.run_backward(batch, <double*>output_of(self, batch).delta)
        else:
            self.run_backward(batch, <float*>output_of(self, batch).delta)

    cdef void run_backward(self, const Batch* batch, const floating* dy) noexcept nogil:
        cdef Py_ssize_t positions = batch.rows * self.positions, i, width
        cdef Py_ssize_t total = output_of(self, batch).width // self.positions
        for i in range(self.n_inputs):
            width = input_of(self, batch, i).width // self.positions
            concatenate_backward(
                positions, width, total, dy, <floating*>input_of(self, batch, i).delta, self.accumulate[i]
            )
            dy += width


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
        self.workspace_bytes = WORKSPACE_BYTES

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
