"""Tables: large weights. Each batch reads only some of their rows."""

from cpython.ref cimport PyObject

from cbackprop.compiled.layers.layer cimport Batch, RowSums
from cbackprop.compiled.optimizers.optimizer cimport Segment


cdef class Table:
    cdef list layers, memory    # the targets of the pointers: kept alive here
    cdef object owners
    cdef PyObject** users       # the layers that read it, and the number of the parameter in each
    cdef Py_ssize_t* parameters
    cdef Py_ssize_t n_users
    cdef Py_ssize_t n_slots, itemsize
    cdef readonly Py_ssize_t rows, width, capacity
    cdef readonly Py_ssize_t reads      # the most rows that a sample reads
    cdef RowSums sums           # the gradient of the last batch
    cdef Segment whole          # values and slots of the table
    cdef Segment reached        # copies of the rows that the last batch has read, side by side, and their gradient

    cdef void collect(self, const Batch* batch) noexcept nogil
    cdef void forget(self) noexcept nogil
    cdef void copy(self, Py_ssize_t begin, Py_ssize_t end, bint back) noexcept nogil
    cdef Segment part(self, Py_ssize_t begin, Py_ssize_t end) noexcept nogil
