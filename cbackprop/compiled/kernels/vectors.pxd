from cython cimport floating


cdef void fill_rows(Py_ssize_t rows, Py_ssize_t width, const floating* row, floating* out) noexcept nogil
cdef void sum_rows(
    Py_ssize_t rows, Py_ssize_t width, const floating* x, bint accumulate, floating* out
) noexcept nogil
cdef void copy_or_add(Py_ssize_t n, const floating* x, bint accumulate, floating* out) noexcept nogil
