"""What weights are held to after each step: one thread for each variable."""

import numpy as np

from cpython.ref cimport PyObject
from cython cimport floating
from libc.math cimport sqrt
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from cbackprop.compiled.engine.failure cimport Failure, fail
from cbackprop.compiled.kernels.epsilon cimport EPSILON
from cbackprop.compiled.kernels.memory cimport address


cdef void limit_norms(
    Py_ssize_t outer, Py_ssize_t n, Py_ssize_t inner, double minimum, double maximum, double rate, double epsilon,
    double* norms,          # (inner,): scratch
    floating* w,            # (outer, n, inner) IN and OUT
) noexcept nogil:
    """w = w desired / (epsilon + norm), norm along the axis n, desired = rate clip(norm) + (1 - rate) norm."""
    cdef Py_ssize_t _, k, j
    cdef double norm
    for _ in range(outer):
        memset(norms, 0, inner * sizeof(double))
        for k in range(n):
            for j in range(inner):
                norms[j] += <double>w[k * inner + j] * w[k * inner + j]
        for j in range(inner):
            norm = sqrt(norms[j])
            norms[j] = (rate * min(max(norm, minimum), maximum) + (1 - rate) * norm) / (epsilon + norm)
        for k in range(n):
            for j in range(inner):
                w[k * inner + j] *= <floating>norms[j]
        w += n * inner


cdef void clip_negative(Py_ssize_t n, floating* w) noexcept nogil:
    """w = max(w, 0). w (n,) IN and OUT."""
    cdef Py_ssize_t i
    for i in range(n):
        w[i] = w[i] if w[i] > 0 else 0


cdef class Projection:
    """What one variable is held to.

    Parameters
    ----------
    constraint : cbackprop.constraints.Constraint
    values : array
        The variable's.
    shape : tuple of int
    """

    def __cinit__(self, constraint, values, tuple shape):
        self.is_double = values.dtype == np.float64
        self.weights = address(values, values.dtype, values.size)
        self.size = values.size
        self.owner = values

    cdef void apply(self, Failure* failure) noexcept nogil:
        pass


cdef class NonNeg(Projection):
    """w = max(w, 0)."""

    cdef void apply(self, Failure* failure) noexcept nogil:
        if self.is_double:
            clip_negative(self.size, <double*>self.weights)
        else:
            clip_negative(self.size, <float*>self.weights)


cdef class NormConstraint(Projection):
    """Norms along axes that are neighbours are limited."""

    cdef Py_ssize_t outer, n, inner
    cdef double minimum, maximum, rate
    cdef double[::1] norms

    def __init__(self, constraint, values, tuple shape):
        axes = constraint.axes(len(shape))
        if axes != tuple(range(axes[0], axes[-1] + 1)):
            raise ValueError("The axes must be neighbours.")
        self.outer = int(np.prod(shape[:axes[0]]))
        self.inner = int(np.prod(shape[axes[-1] + 1:]))
        self.n = self.size // (self.outer * self.inner)
        self.minimum, self.maximum, self.rate = constraint.limits
        self.norms = np.zeros(self.inner)

    cdef void apply(self, Failure* failure) noexcept nogil:
        if self.is_double:
            self.run(<double*>self.weights)
        else:
            self.run(<float*>self.weights)

    cdef void run(self, floating* w) noexcept nogil:
        limit_norms(
            self.outer, self.n, self.inner, self.minimum, self.maximum, self.rate, EPSILON, &self.norms[0], w
        )


cdef class PythonProjection(Projection):
    """A constraint in Python: what it returns must be shaped like the weight and as finite, which else stays."""

    cdef object constraint, view

    def __init__(self, constraint, values, tuple shape):
        self.constraint, self.view = constraint, values.reshape(shape)
        self.python = True

    cdef void apply(self, Failure* failure) noexcept nogil:
        with gil:
            try:
                result = np.asarray(self.constraint(self.view.copy()))
                sound = not np.isfinite(self.view).all() or np.isfinite(result).all()
                if result.shape != self.view.shape or not sound:
                    raise ValueError(
                        f"The constraint {self.constraint!r} must return finite numbers of shape {self.view.shape}, "
                        f"but got {result.dtype} of shape {result.shape}."
                    )
                self.view[...] = result
            except BaseException as error:
                fail(failure, error)


cdef class Projections:
    """All constraints of a network's weights.

    Parameters
    ----------
    items : list of Projection
    """

    def __cinit__(self, list items):
        cdef Projection item
        cdef Py_ssize_t i
        self.items, self.n = list(items), len(items)
        self.pointers = <PyObject**>calloc(self.n + 1, sizeof(PyObject*))
        if self.pointers == NULL:
            raise MemoryError()
        for i, item in enumerate(self.items):
            self.pointers[i] = <PyObject*>item

    def __dealloc__(self):
        free(self.pointers)

    cdef void apply(self, Py_ssize_t thread, Py_ssize_t threads, Failure* failure) noexcept nogil:
        """This thread's share of the variables."""
        cdef Py_ssize_t i
        for i in range(self.n):
            if thread == (0 if (<Projection>self.pointers[i]).python else i % threads):
                (<Projection>self.pointers[i]).apply(failure)
