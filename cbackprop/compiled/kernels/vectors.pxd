from cython cimport floating


cdef void copy_or_add(Py_ssize_t n, const floating* x, bint accumulate, floating* out) noexcept nogil
cdef bint all_finite(Py_ssize_t n, const floating* x) noexcept nogil
cdef bint all_whole(Py_ssize_t n, Py_ssize_t limit, const floating* x) noexcept nogil
