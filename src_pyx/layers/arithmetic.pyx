"""Quotients and powers of inputs, element by element: merges of two, or of one whose exponent is a number."""

from cython cimport floating
from libc.math cimport pow, powf

from cbackprop.compiled.kernels.elementary cimport log
from cbackprop.compiled.layers.layer cimport Batch, input_of, output_of
from cbackprop.compiled.layers.merging cimport Merge


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
