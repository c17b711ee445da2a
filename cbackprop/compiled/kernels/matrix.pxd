"""Matrix products of any orientation. Other packages may `cimport` them."""

from cython cimport floating

cdef enum:
    # A block of B that is packed: rows and columns. It stays in the second level cache while rows of A pass by.
    BLOCK_ROWS = 256
    BLOCK_COLUMNS = 96
    # The same where A is packed as well, rows and columns. Each panel of B then stays in the first level cache while
    # all tiles of A pass by, and A is packed for more columns at a time.
    TILED_ROWS = 96
    TILED_COLUMNS = 480
    # Numbers between two tiles of A, so that the same places of all tiles do not meet in one set of the cache.
    TILE_GAP = 16
    # Scratch that `multiply` may use, whatever the shapes.
    WORKSPACE_BYTES = (BLOCK_ROWS * (TILED_COLUMNS + TILED_ROWS) + TILED_ROWS * TILE_GAP) * 8


cdef void multiply(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const floating* a, Py_ssize_t a_row, Py_ssize_t a_column,
    const floating* b, Py_ssize_t b_row, Py_ssize_t b_column, bint b_padded,
    const floating* bias, bint add, floating* c, Py_ssize_t c_row, Py_ssize_t c_column, void* workspace,
) noexcept nogil

cdef void sum_rows(
    Py_ssize_t rows, Py_ssize_t columns, const floating* x, Py_ssize_t x_row, bint add, floating* out
) noexcept nogil
