from cython cimport floating


cdef void gather_rows(
    Py_ssize_t rows, Py_ssize_t width, Py_ssize_t out_width,
    const Py_ssize_t* index, const floating* x, floating* y,
) noexcept nogil

cdef void scatter_rows(
    Py_ssize_t rows, Py_ssize_t width, Py_ssize_t out_width,
    const Py_ssize_t* index, const floating* dy, bint accumulate, floating* dx,
) noexcept nogil
