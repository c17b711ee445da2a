"""Compiled regularizers, which add to the loss and to gradients. Other packages may `cimport` this to add their own."""

from cpython.ref cimport PyObject

from cbackprop.compiled.engine.failure cimport Failure
from cbackprop.compiled.optimizers.optimizer cimport Segment


cdef class Penalty:
    cdef Py_ssize_t itemsize        # of the weights
    cdef readonly bint python       # must be evaluated with the GIL, by the first thread
    cdef void* weights              # (size,): of one variable
    cdef Py_ssize_t size
    cdef Py_ssize_t offset          # of the variable, in the flat vectors
    cdef bint divided               # whether it is divided by the divisor of the batch's loss
    cdef double divisor             # the divisor of the current batch, or 1
    cdef object owner               # the array of `weights`: kept alive here

    cdef double evaluate(self, bint with_gradient, Failure* failure) noexcept nogil
    cdef void add_gradient(self, Py_ssize_t begin, Py_ssize_t end, void* gradient) noexcept nogil


cdef class Penalties:
    cdef list items                 # keeps alive what `pointers` points to
    cdef PyObject** pointers
    cdef Py_ssize_t n
    cdef double[::1] values         # (n,): of the current batch
    cdef char* base                 # of the gradient vector
    cdef Py_ssize_t itemsize
    cdef object owner

    cdef void evaluate(
        self, Py_ssize_t thread, Py_ssize_t threads, double divisor, bint with_gradients, Failure* failure
    ) noexcept nogil
    cdef double total(self) noexcept nogil
    cdef void add_gradients(self, const Segment* segment) noexcept nogil
