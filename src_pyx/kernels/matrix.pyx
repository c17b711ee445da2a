"""Matrix products C = A B in register tiles.

BLAS libraries are made for large matrices. For products of 16 to 64, OpenBLAS 0.3.31 with AVX2 reaches 25 to 50 % of
the processor's limit, and these tiles 80 to 95 %. For large ones it is not faster than these tiles
(``python benchmarks/kernels.py``).

Every element of C is a sum in a fixed order, which depends on k alone. So rows of C can be divided among threads in any
way, and the bits stay the same.
"""

from cython cimport floating

from cbackprop.compiled.kernels.panels cimport (
    TILE_VECTORS, VECTOR_BYTES, cost_of_columns, lanes, panel_width,
)
from cbackprop.compiled.kernels.prefetch cimport prefetch, prefetch_to_write

cdef extern from "matrix.h" nogil:
    enum:
        TILE_ROWS
        FEW_TILE_ROWS
        WIDE_TILE_VECTORS
        ROW_VECTORS
        ENOUGH_TO_PACK
        PACKS_A
        READS_PARTS
        READS_ACROSS
    void tile_column_float(
        Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t k, const float* a, Py_ssize_t a_row, Py_ssize_t a_column,
        const float* b, Py_ssize_t b_row, const float* bias, bint add, float* c, Py_ssize_t c_row,
        Py_ssize_t c_column)
    void tile_column_double(
        Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t k, const double* a, Py_ssize_t a_row, Py_ssize_t a_column,
        const double* b, Py_ssize_t b_row, const double* bias, bint add, double* c, Py_ssize_t c_row,
        Py_ssize_t c_column)
    void multiply_row_float(
        Py_ssize_t k, const float* a, Py_ssize_t a_column, const float* b, Py_ssize_t b_row, const float* bias,
        bint add, float* c)
    void multiply_row_double(
        Py_ssize_t k, const double* a, Py_ssize_t a_column, const double* b, Py_ssize_t b_row, const double* bias,
        bint add, double* c)
    void multiply_across_float(
        Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t k, const float* a, Py_ssize_t a_row, Py_ssize_t a_column,
        const float* b, Py_ssize_t b_column, const float* bias, const float* row_bias, bint add, float* c,
        Py_ssize_t c_row, Py_ssize_t c_column)
    void multiply_across_double(
        Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t k, const double* a, Py_ssize_t a_row, Py_ssize_t a_column,
        const double* b, Py_ssize_t b_column, const double* bias, const double* row_bias, bint add, double* c,
        Py_ssize_t c_row, Py_ssize_t c_column)
    void add_rows_float(
        Py_ssize_t k, Py_ssize_t columns, const float* a, Py_ssize_t a_column, const float* b, Py_ssize_t b_row,
        float* sums)
    void add_rows_double(
        Py_ssize_t k, Py_ssize_t columns, const double* a, Py_ssize_t a_column, const double* b, Py_ssize_t b_row,
        double* sums)
    void multiply_vector_float(
        Py_ssize_t rows, Py_ssize_t k, const float* a, Py_ssize_t a_row, const float* x, const float* bias,
        bint add, float* y, Py_ssize_t y_row)
    void multiply_vector_double(
        Py_ssize_t rows, Py_ssize_t k, const double* a, Py_ssize_t a_row, const double* x, const double* bias,
        bint add, double* y, Py_ssize_t y_row)
    void pack_rows_float(
        Py_ssize_t k, Py_ssize_t columns, Py_ssize_t width, const float* b, Py_ssize_t b_row, float* panel)
    void pack_rows_double(
        Py_ssize_t k, Py_ssize_t columns, Py_ssize_t width, const double* b, Py_ssize_t b_row, double* panel)
    void pack_columns_float(
        Py_ssize_t k, Py_ssize_t columns, Py_ssize_t width, const float* b, Py_ssize_t b_column, float* panel)
    void pack_columns_double(
        Py_ssize_t k, Py_ssize_t columns, Py_ssize_t width, const double* b, Py_ssize_t b_column, double* panel)
    void pack_tiles_float(
        Py_ssize_t rows, Py_ssize_t k, const float* a, Py_ssize_t a_column, Py_ssize_t gap, float* tiles)
    void pack_tiles_double(
        Py_ssize_t rows, Py_ssize_t k, const double* a, Py_ssize_t a_column, Py_ssize_t gap, double* tiles)
    void sum_rows_float(
        Py_ssize_t rows, Py_ssize_t columns, const float* x, Py_ssize_t x_row, bint add, float* out)
    void sum_rows_double(
        Py_ssize_t rows, Py_ssize_t columns, const double* x, Py_ssize_t x_row, bint add, double* out)

# Whether the compiler supports vector types. Without them, tiles are as slow as any loop.
HAS_VECTORS = VECTOR_BYTES > 0
# Rows of C that a tile computes at a time.
TILE_HEIGHT = TILE_ROWS

# `multiply` by BLAS; NULL until the module `blas` is imported.
cdef BlasFloat blas_of_floats = NULL
cdef BlasDouble blas_of_doubles = NULL

cdef enum:
    # With fewer rows in C, packing costs more than it gains. If rows of B are whole pages apart, they compete for few
    # sets of the caches, and fewer are enough, if B has so many bytes.
    LEAST_ROWS_TO_PACK = 48
    FEW_ROWS_TO_PACK = 16
    LARGE_PAGES = 2 * 1024 * 1024
    # With shorter sums, packing A costs more than it gains, unless its columns are whole pages apart.
    LEAST_DEPTH_TO_TILE = 128
    PAGE = 4096
    # How many numbers of A stay in the first level cache while panels are processed, even if rows are whole pages apart
    # and so share few sets of the cache.
    CLOSE = 1536
    # With fewer columns, rows of C may leave a large part of a vector unused. And the cost of packing, in operations on
    # a vector.
    FEW_COLUMNS = 48
    COST_OF_PACKING = 6
    # With at most so many rows in C, B is read across its columns instead of packed: once, or twice with half of the
    # rows each time. And the least length of sums for this.
    ACROSS_ROWS = 16
    ACROSS_DEPTH = 4
    TWICE_ACROSS_DEPTH = 64
    # If C is a single row: the least bytes of B for reading it along its rows, and the columns of C at a time.
    FAR = 48 * 1024
    ROW_COLUMNS = 2048
    # Rows of B that are read in parallel when it is packed.
    ROWS_PACKED = 8
    # With shorter sums, prefetching the numbers of C before a tile is computed costs more than it gains.
    LEAST_DEPTH_TO_PREFETCH = 64
    # With sums no longer than this, most time goes into writing C if it has so many bytes.
    SHORT_DEPTH = 32
    LARGE_BYTES = 2 * 1024 * 1024
    LINE = 64


cdef inline Py_ssize_t next_depth(Py_ssize_t left) noexcept nogil:
    """The rows of the next block of B, if `left` rows are left."""
    return BLOCK_ROWS if left > MOST_BLOCK_ROWS else left


cdef inline void tile_column(
    Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t k, const floating* a, Py_ssize_t a_row, Py_ssize_t a_column,
    const floating* b, Py_ssize_t b_row, const floating* bias, bint add,
    floating* c, Py_ssize_t c_row, Py_ssize_t c_column,
) noexcept nogil:
    if floating is float:
        tile_column_float(rows, columns, k, a, a_row, a_column, b, b_row, bias, add, c, c_row, c_column)
    else:
        tile_column_double(rows, columns, k, a, a_row, a_column, b, b_row, bias, add, c, c_row, c_column)


cdef inline void pack(
    Py_ssize_t k, Py_ssize_t columns, Py_ssize_t width,
    const floating* b, Py_ssize_t b_row, Py_ssize_t b_column, floating* panel,
) noexcept nogil:
    """Pack a panel (k, width) with contiguous rows, and zeros behind the last column."""
    if floating is float:
        if b_column == 1:
            pack_rows_float(k, columns, width, b, b_row, panel)
        else:
            pack_columns_float(k, columns, width, b, b_column, panel)
    else:
        if b_column == 1:
            pack_rows_double(k, columns, width, b, b_row, panel)
        else:
            pack_columns_double(k, columns, width, b, b_column, panel)


cdef void sum_rows(
    Py_ssize_t rows, Py_ssize_t columns,
    const floating* x, Py_ssize_t x_row,    # (rows, columns) IN, padded: element (r, j) at r x_row + j
    bint add,
    floating* out,                          # (columns,) OUT
) noexcept nogil:
    """out = sum over r of x[r, :]; with `add`, out += this."""
    if floating is float:
        sum_rows_float(rows, columns, x, x_row, add, out)
    else:
        sum_rows_double(rows, columns, x, x_row, add, out)


cdef inline void multiply_row(
    Py_ssize_t k, const floating* a, Py_ssize_t a_column, const floating* b, Py_ssize_t b_row, const floating* bias,
    bint add, floating* c,
) noexcept nogil:
    """c = a B + bias for `ROW_VECTORS` vectors of columns."""
    if floating is float:
        multiply_row_float(k, a, a_column, b, b_row, bias, add, c)
    else:
        multiply_row_double(k, a, a_column, b, b_row, bias, add, c)


cdef inline void multiply_vector(
    Py_ssize_t rows, Py_ssize_t k, const floating* a, Py_ssize_t a_row, const floating* x, const floating* bias,
    bint add, floating* y, Py_ssize_t y_row,
) noexcept nogil:
    """y = A x + bias."""
    if floating is float:
        multiply_vector_float(rows, k, a, a_row, x, bias, add, y, y_row)
    else:
        multiply_vector_double(rows, k, a, a_row, x, bias, add, y, y_row)


cdef void multiply_one_row(
    Py_ssize_t n, Py_ssize_t k, const floating* a, Py_ssize_t a_column, const floating* b, Py_ssize_t b_row,
    const floating* bias, bint add, floating* c, floating* sums,
) noexcept nogil:
    """One row c = a B + bias, reading B along its rows, in the same blocks of k as packed products."""
    cdef Py_ssize_t j = 0, p, i, columns, depth
    while j < n:
        columns = min(n - j, <Py_ssize_t>ROW_COLUMNS)
        p = 0
        while p < k:
            depth = next_depth(k - p)
            for i in range(columns):
                sums[i] = bias[j + i] if bias != NULL and p == 0 else 0
            if floating is float:
                add_rows_float(depth, columns, a + p * a_column, a_column, b + p * b_row + j, b_row, sums)
            else:
                add_rows_double(depth, columns, a + p * a_column, a_column, b + p * b_row + j, b_row, sums)
            for i in range(columns):
                c[j + i] = c[j + i] + sums[i] if add or p else sums[i]
            p += depth
        j += columns


cdef inline bint reads_along_rows(
    Py_ssize_t n, Py_ssize_t k, Py_ssize_t b_row, bint b_padded, floating* c
) noexcept nogil:
    """Whether `multiply_one_row` is faster for a single row of C: if B is not in the cache, or tiles would copy it."""
    cdef Py_ssize_t size = sizeof(floating), lane = lanes(c)
    return n % lane and not (b_padded or READS_PARTS) or n > ROW_VECTORS * lane and size * k * b_row >= FAR


cdef void multiply_in_place(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const floating* a, Py_ssize_t a_row, Py_ssize_t a_column, const floating* b, Py_ssize_t b_row,
    const floating* bias, bint add, floating* c, Py_ssize_t c_row, Py_ssize_t c_column,
) noexcept nogil:
    """C = A B + bias, reading whole vectors of B in place.

    It uses the same blocks of k as packed products, so that sums have the same order. If numbers of a row of A are not
    contiguous, it computes a few rows of C at a time, so that those of A stay in the cache.
    """
    cdef Py_ssize_t row = 0, j, p, rows, width, depth
    cdef Py_ssize_t most = ROW_VECTORS if m == 1 else WIDE_TILE_VECTORS if m <= FEW_TILE_ROWS else TILE_VECTORS
    while row < m:
        rows = min(m - row, <Py_ssize_t>TILED_ROWS) if a_row == 1 else m
        j = 0
        while j < n:
            width = panel_width(n - j, lanes(c), most)
            p = 0
            while p < k:
                depth = next_depth(k - p)
                if m == 1 and c_column == 1 and width == ROW_VECTORS * lanes(c):
                    multiply_row(
                        depth, a + p * a_column, a_column, b + p * b_row + j, b_row,
                        NULL if bias == NULL or p else bias + j, add or p > 0, c + j,
                    )
                else:
                    tile_column(
                        rows, width, depth, a + row * a_row + p * a_column, a_row, a_column, b + p * b_row + j, b_row,
                        NULL if bias == NULL or p else bias + j, add or p > 0,
                        c + row * c_row + j * c_column, c_row, c_column,
                    )
                p += depth
            j += width
        row += rows


cdef inline bint can_cross(Py_ssize_t step, floating* c) noexcept nogil:
    """Whether columns that are `step` numbers apart may be read across.

    If they are whole pages apart, they compete for the eight places of one set of the first level cache.
    """
    return READS_ACROSS and (lanes(c) <= 8 or step * <Py_ssize_t>sizeof(floating) % PAGE != 0)


cdef void multiply_across(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, const floating* a, Py_ssize_t a_row, Py_ssize_t a_column,
    const floating* b, Py_ssize_t b_column, const floating* bias, const floating* row_bias, bint add,
    floating* c, Py_ssize_t c_row, Py_ssize_t c_column,
) noexcept nogil:
    """C = A B + bias for a few rows, and whole vectors of columns of B. The numbers of a column are contiguous.

    It uses the same blocks of k as packed products.
    """
    cdef Py_ssize_t p = 0, depth
    while p < k:
        depth = next_depth(k - p)
        if floating is float:
            multiply_across_float(
                m, n, depth, a + p * a_column, a_row, a_column, b + p, b_column, NULL if p else bias,
                NULL if p else row_bias, add or p > 0, c, c_row, c_column,
            )
        else:
            multiply_across_double(
                m, n, depth, a + p * a_column, a_row, a_column, b + p, b_column, NULL if p else bias,
                NULL if p else row_bias, add or p > 0, c, c_row, c_column,
            )
        p += depth


include "packed_products.pxi"


cdef inline bint packing_pays(Py_ssize_t m, Py_ssize_t k, Py_ssize_t row_bytes) noexcept nogil:
    """Whether tiles are faster if B is packed; `row_bytes` are between two of its rows."""
    if m < LEAST_ROWS_TO_PACK:      # then B is read only a few times
        return m >= FEW_ROWS_TO_PACK and row_bytes % PAGE == 0 and k * row_bytes >= LARGE_PAGES
    return row_bytes * max(m, k // 4) >= ENOUGH_TO_PACK


cdef inline bint fills_vectors_better(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, floating* c) noexcept nogil:
    """Whether C^T = B^T A^T takes less time than C = A B, if C has few columns.

    Fewer than four sums at a time would wait for each other. If columns of C^T do not fill vectors, A^T must be packed,
    unless C^T is a single row or parts of vectors can be read. Writing a number of C^T takes half an operation.
    Measured with `product` for 1 to 48 columns on a Zen 4.
    """
    cdef Py_ssize_t lane = lanes(c), packing = COST_OF_PACKING if m % lane and n > 1 and not READS_PARTS else 0
    cdef Py_ssize_t writing = 8 * m * n if n > 1 else 0
    return m > n and (
        cost_of_columns(m, lane) * k * (max(n, 4) + packing) + writing < cost_of_columns(n, lane) * k * m
    )


cdef void connect_blas(BlasFloat of_floats, BlasDouble of_doubles) noexcept:
    """Tell `multiply` where BLAS is."""
    global blas_of_floats, blas_of_doubles
    blas_of_floats, blas_of_doubles = of_floats, of_doubles


cdef bint has_blas() noexcept:
    """Whether `multiply` has been told where BLAS is."""
    return blas_of_floats != NULL


cdef inline bint multiply_by_blas(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const floating* a, Py_ssize_t a_row, Py_ssize_t a_column, const floating* b, Py_ssize_t b_row, Py_ssize_t b_column,
    const floating* bias, bint add, floating* c, Py_ssize_t c_row, Py_ssize_t c_column, Py_ssize_t block,
) noexcept nogil:
    """C = A B + bias by BLAS. False if BLAS is not loaded, or its integers are too small."""
    if floating is float:
        return blas_of_floats != NULL and blas_of_floats(
            m, n, k, a, a_row, a_column, b, b_row, b_column, bias, add, c, c_row, c_column, block
        )
    else:
        return blas_of_doubles != NULL and blas_of_doubles(
            m, n, k, a, a_row, a_column, b, b_row, b_column, bias, add, c, c_row, c_column, block
        )


cdef void multiply(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const floating* a, Py_ssize_t a_row, Py_ssize_t a_column,   # (m, k) IN: element (i, p) at i a_row + p a_column
    const floating* b, Py_ssize_t b_row, Py_ssize_t b_column,   # (k, n) IN: one of the two strides is 1
    bint b_padded,              # a vector may be read behind the last element of B
    const floating* bias,       # (n,) IN, or NULL
    bint add,
    floating* c, Py_ssize_t c_row, Py_ssize_t c_column,         # (m, n) OUT: element (i, j) at i c_row + j c_column
    void* workspace,            # WORKSPACE_BYTES, destroyed
    Py_ssize_t blas_rows,       # 0: by tiles; else by BLAS, with this many rows of C in each call
) noexcept nogil:
    """C = A B + bias; with `add`, C += this.

    With tiles, an element of C does not depend on the number of rows. With BLAS it may, so `blas_rows` must give the
    same blocks on any number of threads.
    """
    if blas_rows > 0 and multiply_by_blas(
        m, n, k, a, a_row, a_column, b, b_row, b_column, bias, add, c, c_row, c_column, blas_rows
    ):
        return
    if n < FEW_COLUMNS and a_row == 1 and bias == NULL and fills_vectors_better(m, n, k, c):
        multiply(n, m, k, b, b_column, b_row, a, a_column, 1, False, bias, add, c, c_column, c_row, workspace, 0)
        return
    if n == 1 and a_column == 1 and b_row == 1:
        multiply_vector(m, k, a, a_row, b, bias, add, c, c_row)
        return
    # Read across rows of A if C has few columns, or across columns of B if it has few rows. If B need not be packed,
    # rows of A that do not fill a vector are left to other tiles.
    cdef Py_ssize_t whole = m if b_row == 1 else m - m % lanes(c)
    if a_column == 1 and n <= lanes(c) // 4 + 1 and (whole > n or b_row != 1) and k >= 4 * n and can_cross(a_row, c):
        multiply_across(n, whole, k, b, b_column, b_row, a, a_row, NULL, bias, add, c, c_column, c_row)
        a, c, m = a + whole * a_row, c + whole * c_row, m - whole
        if m == 0:
            return
    elif (
        b_row == 1 and m <= ACROSS_ROWS and k >= (ACROSS_DEPTH if 2 * m <= ACROSS_ROWS else TWICE_ACROSS_DEPTH)
        and can_cross(b_column, c)
    ):
        multiply_across(m, n, k, a, a_row, a_column, b, b_column, bias, NULL, add, c, c_row, c_column)
        return
    if m == 1 and b_column == 1 and c_column == 1 and reads_along_rows(n, k, b_row, b_padded, c):
        multiply_one_row(n, k, a, a_column, b, b_row, bias, add, c, <floating*>workspace)
        return
    cdef Py_ssize_t size = sizeof(floating)
    cdef bint packed = packing_pays(m, k, size * b_row)
    if b_column == 1 and not packed and (READS_PARTS or b_padded or n % lanes(c) == 0):
        multiply_in_place(m, n, k, a, a_row, a_column, b, b_row, bias, add, c, c_row, c_column)
        return
    # With 16 registers, tiles read A so often that it is packed as well, unless the numbers of a tile's rows are
    # already close together. With 32, only what competes for few sets of the caches is packed.
    cdef bint long_sums = k >= LEAST_DEPTH_TO_TILE, paged = size * a_column % PAGE == 0
    cdef bint tiled = (
        packed and a_row == 1 and a_column > 1 and ((long_sums or paged) if PACKS_A else (long_sums and paged))
    )
    multiply_packed(
        m, n, k, a, a_row, a_column, b, b_row, b_column, bias, add, c, c_row, c_column, tiled, <floating*>workspace
    )
