from cython cimport floating


cdef void glu_forward(Py_ssize_t rows, Py_ssize_t half, const floating* x, floating* y) noexcept nogil

cdef void glu_backward(
    Py_ssize_t rows, Py_ssize_t half, const floating* x, const floating* dy, bint add, floating* dx
) noexcept nogil
