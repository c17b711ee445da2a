"""Compiled constraints of weights, applied after each step. Other packages may `cimport` this to add their own."""

from cpython.ref cimport PyObject

from cbackprop.compiled.engine.failure cimport Failure


cdef class Projection:
    cdef readonly bint python       # must be applied with the GIL, by the first thread
    cdef void* weights              # (size,): of one variable
    cdef Py_ssize_t size
    cdef object owner               # the array of `weights`: kept alive here

    cdef void apply(self, Failure* failure) noexcept nogil


cdef class Projections:
    cdef list items                 # keeps alive what `pointers` points to
    cdef PyObject** pointers
    cdef Py_ssize_t n

    cdef void apply(self, Py_ssize_t thread, Py_ssize_t threads, Failure* failure) noexcept nogil
