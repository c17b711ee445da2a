"""Matrix products of any orientation. Other packages may `cimport` them."""

from cython cimport floating

cdef enum:
    # Rows, and bytes of a row, of a packed block of B. It stays in the second level cache while the rows of A are read:
    # it takes half of the smallest caches of processors. The last block has up to MOST_BLOCK_ROWS, because for a few
    # rows adding to all of C once more does not pay.
    BLOCK_ROWS = 256
    MOST_BLOCK_ROWS = 320
    BLOCK_ROW_BYTES = 960
    # The same if A is packed as well. Each panel of B then stays in the first level cache while all tiles of A are
    # read, and A is packed for more columns at a time.
    TILED_ROWS = 96
    TILED_COLUMNS = 384
    # Numbers between two tiles of A. Without a gap, the same places of all tiles would fall into one set of the cache.
    TILE_GAP = 16
    # The most bytes of scratch memory that `multiply` uses, for any shapes.
    WORKSPACE_BYTES = (MOST_BLOCK_ROWS * (TILED_COLUMNS + TILED_ROWS) + TILED_ROWS * TILE_GAP) * 8


# `multiply` by BLAS, on blocks of some rows of C. It does nothing and returns False if BLAS cannot take the matrices.
ctypedef bint (*BlasFloat)(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const float* a, Py_ssize_t a_row, Py_ssize_t a_column, const float* b, Py_ssize_t b_row, Py_ssize_t b_column,
    const float* bias, bint add, float* c, Py_ssize_t c_row, Py_ssize_t c_column, Py_ssize_t block,
) noexcept nogil

ctypedef bint (*BlasDouble)(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const double* a, Py_ssize_t a_row, Py_ssize_t a_column, const double* b, Py_ssize_t b_row, Py_ssize_t b_column,
    const double* bias, bint add, double* c, Py_ssize_t c_row, Py_ssize_t c_column, Py_ssize_t block,
) noexcept nogil


cdef void connect_blas(BlasFloat of_floats, BlasDouble of_doubles) noexcept

cdef bint has_blas() noexcept

cdef void multiply(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const floating* a, Py_ssize_t a_row, Py_ssize_t a_column,
    const floating* b, Py_ssize_t b_row, Py_ssize_t b_column, bint b_padded,
    const floating* bias, bint add, floating* c, Py_ssize_t c_row, Py_ssize_t c_column, void* workspace,
    Py_ssize_t blas_rows,
) noexcept nogil

# A matrix B that many products share is packed once. It takes `packed_numbers` numbers, at a multiple of 64 bytes.
cdef Py_ssize_t packed_numbers(Py_ssize_t n, Py_ssize_t k, Py_ssize_t itemsize) noexcept nogil

cdef void pack_matrix(
    Py_ssize_t n, Py_ssize_t k, const floating* b, Py_ssize_t b_row, Py_ssize_t b_column, floating* packed
) noexcept nogil

cdef void multiply_by_packed(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, const floating* a, Py_ssize_t a_row, const floating* packed,
    const floating* bias, bint add, floating* c, Py_ssize_t c_row,
) noexcept nogil

cdef void sum_rows(
    Py_ssize_t rows, Py_ssize_t columns, const floating* x, Py_ssize_t x_row, bint add, floating* out
) noexcept nogil
