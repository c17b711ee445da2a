"""The flat gradient vector, and who computes which part of it."""

from cpython.ref cimport PyObject

from cbackprop.compiled.layers.layer cimport Batch
from cbackprop.compiled.optimizers.optimizer cimport Segment


cdef struct Part:
    PyObject* layer
    Py_ssize_t k, begin, end    # of which of its parameters, and which elements
    Py_ssize_t offset           # where they are in the vector
    bint add                    # to what another use of a shared layer has put there


cdef class Gradients:
    cdef list layers, memory        # what pointers point to: kept alive here
    cdef object vector
    cdef Py_ssize_t itemsize, size
    cdef Part* parameters           # a part for each parameter
    cdef Py_ssize_t n_parameters
    cdef Part* parts                # finer parts, to share a batch among threads
    cdef Py_ssize_t n_parts
    cdef Py_ssize_t* work           # (n_parts + 1,): elements in front of each part
    cdef char** groups              # the vectors of groups of tiles; the first is the gradient vector itself
    cdef readonly Py_ssize_t n_groups

    cdef fill(self, Part* parts, list described)
    cdef Py_ssize_t owner(self, Py_ssize_t i, Py_ssize_t threads) noexcept nogil
    cdef void collect_tile(self, const Batch* batch, Py_ssize_t group, bint add) noexcept nogil
    cdef void collect_share(self, const Batch* batch, Py_ssize_t thread, Py_ssize_t threads) noexcept nogil
    cdef bint joins(self, Py_ssize_t i) noexcept nogil
    cdef Segment everything(self) noexcept nogil
    cdef void collect_all(self, const Batch* batch, char* vector, bint add) noexcept nogil
    cdef void merge(self, const Segment* segment, Py_ssize_t groups) noexcept nogil
