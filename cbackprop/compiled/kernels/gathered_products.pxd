"""Matrix products whose first matrix is gathered from any places. Other packages may `cimport` them."""

from cython cimport floating


cdef Py_ssize_t cost_of_floats(Py_ssize_t columns) noexcept nogil

cdef Py_ssize_t padded_columns(Py_ssize_t columns, floating* c) noexcept nogil

cdef void gather(
    Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t k,
    const floating* a, const Py_ssize_t* a_rows, Py_ssize_t a_column, const Py_ssize_t* taps, Py_ssize_t n_taps,
    const floating* b, Py_ssize_t b_row,
    Py_ssize_t first, Py_ssize_t depth,
    const floating* bias, bint add, floating* c, Py_ssize_t c_row,
) noexcept nogil

cdef void pack_rows(
    Py_ssize_t k, Py_ssize_t columns, const floating* b, Py_ssize_t b_row, floating* panels
) noexcept nogil

cdef void pack_columns(
    Py_ssize_t k, Py_ssize_t columns, Py_ssize_t width, const floating* b, Py_ssize_t b_column, floating* panel
) noexcept nogil

cdef void spread_rows(
    Py_ssize_t rows, Py_ssize_t count, Py_ssize_t taps, Py_ssize_t stride, Py_ssize_t channels, const floating* values,
    Py_ssize_t before, Py_ssize_t size, const floating* bias, bint add, floating* out, Py_ssize_t out_row,
) noexcept nogil
