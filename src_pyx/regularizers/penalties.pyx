"""What regularizers add to the loss, and to the gradients of the weights or to the deltas of a layer's output.

The values are computed before a step, by one thread for each variable; the gradients are added, to any part of the
flat vector, when those of the batch have been collected.
"""

import numpy as np

from cpython.ref cimport PyObject
from cython cimport floating
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from cbackprop.compiled.engine.failure cimport Failure, fail
from cbackprop.compiled.kernels.memory cimport address
from cbackprop.compiled.losses.row_function cimport RowFunction
from cbackprop.compiled.optimizers.optimizer cimport Segment


cdef double sum_of_squares(Py_ssize_t n, const floating* x) noexcept nogil:
    """sum x_i^2: in eight partial sums that do not wait for each other.

    x (n,) IN.
    """
    cdef double squares[8]
    cdef Py_ssize_t i, k
    for k in range(8):
        squares[k] = 0
    for i in range(0, n - 7, 8):
        for k in range(8):
            squares[k] += <double>x[i + k] * x[i + k]
    for i in range(n - n % 8, n):
        squares[0] += <double>x[i] * x[i]
    for k in range(1, 8):
        squares[0] += squares[k]
    return squares[0]


cdef double element_penalty(Py_ssize_t n, double l1, double l2, const floating* x) noexcept nogil:
    """l1 sum |x_i| + l2 sum x_i^2: in eight partial sums that do not wait for each other.

    x (n,) IN.
    """
    cdef double absolute[8]
    cdef double squares[8]
    cdef Py_ssize_t i, k
    cdef double value
    if l1 == 0:
        return l2 * sum_of_squares(n, x)
    for k in range(8):
        absolute[k] = squares[k] = 0
    for i in range(0, n - 7, 8):
        for k in range(8):
            value = x[i + k]
            absolute[k] += abs(value)
            squares[k] += value * value
    for i in range(n - n % 8, n):
        value = x[i]
        absolute[0] += abs(value)
        squares[0] += value * value
    for k in range(1, 8):
        absolute[0] += absolute[k]
        squares[0] += squares[k]
    return l1 * absolute[0] + l2 * squares[0]


cdef void add_element_gradient(
    Py_ssize_t n, floating l1, floating l2, const floating* x, floating* gradient
) noexcept nogil:
    """gradient += l1 sign(x) + 2 l2 x.

    x (n,) IN; gradient (n,) IN and OUT.
    """
    cdef Py_ssize_t i
    cdef floating sign, factor = 2 * l2
    if l1 == 0:     # the commonest penalty: 40,000 weights take 18 us with this and `sum_of_squares`, and 30 without
        for i in range(n):
            gradient[i] += factor * x[i]
        return
    for i in range(n):
        sign = <floating>(x[i] > 0) - <floating>(x[i] < 0)
        gradient[i] += l1 * sign + 2 * l2 * x[i]


cdef array_of(const void* x, Py_ssize_t n, bint is_double):
    """A copy of n numbers, as an array."""
    if is_double:
        return np.array(<const double[:n]><const double*>x)
    return np.array(<const float[:n]><const float*>x)


cdef class Penalty:
    """What one variable adds to the loss.

    Parameters
    ----------
    regularizer : cbackprop.regularizers.Regularizer
    values : array
        The variable's.
    shape : tuple of int
    offset : int
        Where its gradient is in the flat vector.
    """

    def __cinit__(self, regularizer, values, tuple shape, Py_ssize_t offset):
        self.is_double = values.dtype == np.float64
        self.weights = address(values, values.dtype, values.size)
        self.size = values.size
        self.offset = offset
        self.divided, self.divisor = getattr(regularizer, "divided", False), 1
        self.owner = values

    cdef double evaluate(self, bint with_gradient, Failure* failure) noexcept nogil:
        """The penalty, for the weights as they are."""
        return 0

    cdef void add_gradient(self, Py_ssize_t begin, Py_ssize_t end, void* gradient) noexcept nogil:
        """gradient (end - begin,) IN and OUT: the penalty's by the weights begin:end is added."""
        pass


cdef class ElementPenalty(Penalty):
    """l1 sum |w| + l2 sum w^2."""

    cdef double l1, l2

    def __init__(self, regularizer, values, tuple shape, Py_ssize_t offset):
        self.l1, self.l2 = regularizer.l1, regularizer.l2

    cdef double evaluate(self, bint with_gradient, Failure* failure) noexcept nogil:
        if self.is_double:
            return element_penalty(self.size, self.l1, self.l2, <const double*>self.weights)
        return element_penalty(self.size, self.l1, self.l2, <const float*>self.weights)

    cdef void add_gradient(self, Py_ssize_t begin, Py_ssize_t end, void* gradient) noexcept nogil:
        cdef double l1 = self.l1 / self.divisor, l2 = self.l2 / self.divisor
        if self.is_double:
            add_element_gradient(end - begin, l1, l2, <const double*>self.weights + begin, <double*>gradient)
        else:
            add_element_gradient(
                end - begin, <float>l1, <float>l2, <const float*>self.weights + begin, <float*>gradient
            )


cdef class PythonPenalty(Penalty):
    """A regularizer in Python; its gradient is kept from `evaluate`."""

    cdef object regularizer
    cdef tuple shape
    cdef double[::1] gradient

    def __init__(self, regularizer, values, tuple shape, Py_ssize_t offset):
        self.regularizer, self.shape = regularizer, shape
        self.gradient = np.zeros(self.size)
        self.python = True

    cdef double evaluate(self, bint with_gradient, Failure* failure) noexcept nogil:
        cdef double value = 0
        with gil:
            try:
                weights = array_of(self.weights, self.size, self.is_double).reshape(self.shape)
                value = self.regularizer(weights)
                if with_gradient:
                    self.gradient = flat_gradient(self.regularizer, weights)
            except BaseException as error:
                fail(failure, error)
        return value

    cdef void add_gradient(self, Py_ssize_t begin, Py_ssize_t end, void* gradient) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(begin, end):
            if self.is_double:
                (<double*>gradient)[i - begin] += self.gradient[i] / self.divisor
            else:
                (<float*>gradient)[i - begin] += <float>(self.gradient[i] / self.divisor)


cdef flat_gradient(regularizer, x):
    """The gradient that Python code returns, as a new vector of doubles; ``ValueError`` if it is not like `x`."""
    gradient = np.array(regularizer.gradient(x), np.float64)
    # Of weights that are not finite, nothing else can be expected: `fit` tells that training has diverged.
    if gradient.shape != x.shape or (np.isfinite(x).all() and not np.isfinite(gradient).all()):
        raise ValueError(
            f"The gradient of {regularizer!r} must be finite numbers of shape {x.shape}, but got {gradient.shape}."
        )
    return gradient.reshape(-1)


cdef class Penalties:
    """All penalties of a network's weights.

    Parameters
    ----------
    items : list of Penalty
    gradients : array
        The flat gradient vector.
    """

    def __cinit__(self, list items, gradients):
        cdef Penalty item
        cdef Py_ssize_t i
        self.items, self.n, self.owner = list(items), len(items), gradients
        self.base = <char*>address(gradients, gradients.dtype, gradients.size)
        self.itemsize = gradients.dtype.itemsize
        self.values = np.zeros(self.n + 1)
        self.pointers = <PyObject**>calloc(self.n + 1, sizeof(PyObject*))
        if self.pointers == NULL:
            raise MemoryError()
        for i, item in enumerate(self.items):
            if item.offset < 0 or item.offset + item.size > gradients.size:
                raise ValueError("A penalty lies outside of the gradient vector.")
            if item.is_double != (self.itemsize == sizeof(double)):
                raise ValueError("A penalty is of another float type.")
            self.pointers[i] = <PyObject*>item

    def __dealloc__(self):
        free(self.pointers)

    cdef void evaluate(
        self, Py_ssize_t thread, Py_ssize_t threads, double divisor, bint with_gradients, Failure* failure
    ) noexcept nogil:
        """This thread's share of the penalties, in a batch whose loss is divided by `divisor`."""
        cdef Py_ssize_t i
        for i in range(self.n):
            if thread == (0 if (<Penalty>self.pointers[i]).python else i % threads):
                (<Penalty>self.pointers[i]).divisor = divisor if (<Penalty>self.pointers[i]).divided else 1
                self.values[i] = (<Penalty>self.pointers[i]).evaluate(with_gradients, failure)
                self.values[i] /= (<Penalty>self.pointers[i]).divisor

    cdef double total(self) noexcept nogil:
        """What all of them add to the loss."""
        cdef Py_ssize_t i
        cdef double total = 0
        for i in range(self.n):
            total += self.values[i]
        return total

    cdef void add_gradients(self, const Segment* segment) noexcept nogil:
        """Add to a part of the gradient vector what belongs to it."""
        cdef Py_ssize_t first = (<char*>segment.gradients - self.base) // self.itemsize, i, begin, end
        for i in range(self.n):
            begin = max(first - (<Penalty>self.pointers[i]).offset, <Py_ssize_t>0)
            end = min(first + segment.size - (<Penalty>self.pointers[i]).offset, (<Penalty>self.pointers[i]).size)
            if begin < end:
                (<Penalty>self.pointers[i]).add_gradient(
                    begin, end, self.base + ((<Penalty>self.pointers[i]).offset + begin) * self.itemsize
                )


cdef void activity_rows(
    Py_ssize_t rows, Py_ssize_t width, double l1, double l2,
    const floating* x,              # (rows, width) IN
    const double* coefficients,     # (rows,) IN, or NULL
    double* values,                 # (rows,) OUT
    floating* delta,                # (rows, width) OUT, or NULL
) noexcept nogil:
    """value = l1 sum |x_j| + l2 sum x_j^2 of each row; delta = coefficient (l1 sign(x) + 2 l2 x)."""
    cdef Py_ssize_t r
    for r in range(rows):
        values[r] = element_penalty(width, l1, l2, x + r * width)
        if delta != NULL:
            memset(delta + r * width, 0, width * sizeof(floating))
            add_element_gradient(
                width, <floating>(coefficients[r] * l1), <floating>(coefficients[r] * l2), x + r * width,
                delta + r * width,
            )


cdef class ElementActivity(RowFunction):
    """The penalty of each sample of a layer's output, as a loss that needs no targets."""

    reads = "nothing"

    def __init__(self, regularizer, tuple shape, bint is_double):
        self.is_double = is_double
        self.l1, self.l2 = regularizer.l1, regularizer.l2

    cdef void evaluate(
        self, Py_ssize_t rows, Py_ssize_t width, const void* y_true, void* y_pred,
        const double* coefficients, double* values, void* delta,
    ) noexcept nogil:
        if self.is_double:
            activity_rows(
                rows, width, self.l1, self.l2, <const double*>y_pred, coefficients, values, <double*>delta
            )
        else:
            activity_rows(rows, width, self.l1, self.l2, <const float*>y_pred, coefficients, values, <float*>delta)


cdef class PythonActivity(RowFunction):
    """A penalty in Python: it sees the output for a whole batch, and all of its value stands in the first row."""

    reads = "nothing"

    def __init__(self, regularizer, tuple shape, bint is_double):
        self.is_double, self.couples_samples = is_double, True
        self.regularizer, self.shape = regularizer, shape

    cdef void evaluate(
        self, Py_ssize_t rows, Py_ssize_t width, const void* y_true, void* y_pred,
        const double* coefficients, double* values, void* delta,
    ) noexcept nogil:
        cdef Py_ssize_t i
        cdef const double[::1] gradient
        memset(values, 0, rows * sizeof(double))
        with gil:
            try:
                x = array_of(y_pred, rows * width, self.is_double).reshape(rows, *self.shape)
                values[0] = self.regularizer(x)
                if delta != NULL:
                    gradient = flat_gradient(self.regularizer, x)
                    for i in range(rows * width):
                        if self.is_double:
                            (<double*>delta)[i] = coefficients[i // width] * gradient[i]
                        else:
                            (<float*>delta)[i] = <float>(coefficients[i // width] * gradient[i])
            except BaseException as error:
                fail(self.failure, error)
