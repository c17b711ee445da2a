from cython cimport floating


cdef void sum_rows(
    Py_ssize_t rows, Py_ssize_t width, Py_ssize_t begin, Py_ssize_t end, const floating* x, bint add, floating* out
) noexcept nogil
cdef void copy_or_add(Py_ssize_t n, const floating* x, bint accumulate, floating* out) noexcept nogil
