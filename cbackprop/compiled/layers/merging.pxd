from cbackprop.compiled.layers.layer cimport Batch, Layer


cdef struct Operand:
    const Py_ssize_t* index     # (width of the output,): the input's element for each element; NULL if it is the same
    Py_ssize_t slot             # the part of scratch in which the input is stretched


cdef class Merge(Layer):
    cdef Operand* operands
    cdef list memory            # the memory of the operands' indices
    cdef Py_ssize_t n_stretched
    cdef bint reads_values

    cdef void combine(self, Py_ssize_t n, const void* a, const void* b, void* y) noexcept nogil
    cdef void separate(
        self, Py_ssize_t n, const void* a, const void* b, void* delta, void* db, bint add_db
    ) noexcept nogil
    cdef void* slot(self, const Batch* batch, Py_ssize_t k) noexcept nogil
    cdef void* operand(self, const Batch* batch, Py_ssize_t i) noexcept nogil
    cdef void* result(self, const Batch* batch, Py_ssize_t i) noexcept nogil
    cdef bint adds_to(self, Py_ssize_t i) noexcept nogil
    cdef void stretch(self, const Batch* batch, Py_ssize_t i) noexcept nogil
    cdef void give(self, const Batch* batch, Py_ssize_t i, const void* delta) noexcept nogil


cdef class Merge32(Merge):
    pass


cdef class Merge64(Merge):
    pass
