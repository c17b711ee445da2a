"""Matrix products of any orientation. Other packages may `cimport` them."""

from cython cimport floating

cdef enum:
    # A block of B that is packed: rows and columns. It stays in the second level cache while rows of A pass by.
    BLOCK_ROWS = 256
    BLOCK_COLUMNS = 96
    # Scratch that `multiply` may use, whatever the shapes.
    WORKSPACE_BYTES = BLOCK_ROWS * BLOCK_COLUMNS * 8


cdef void multiply(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const floating* a, Py_ssize_t a_row, Py_ssize_t a_column,
    const floating* b, Py_ssize_t b_row, Py_ssize_t b_column, bint b_padded,
    const floating* bias, bint add, floating* c, Py_ssize_t c_row, Py_ssize_t c_column, void* workspace,
) noexcept nogil

cdef void sum_rows(
    Py_ssize_t rows, Py_ssize_t columns, const floating* x, Py_ssize_t x_row, bint add, floating* out
) noexcept nogil
