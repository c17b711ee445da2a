# Products of which blocks of B, or of A and B, are packed: copied into the order in which tiles read them.


cdef inline bint are_far(const floating* x, Py_ssize_t x_row) noexcept nogil:
    """Whether rows of a matrix are so far apart that the processor does not prefetch them by itself."""
    return x_row * <Py_ssize_t>sizeof(floating) > PAGE // 2


cdef inline void prefetch_block(
    Py_ssize_t rows, Py_ssize_t columns, const floating* x, Py_ssize_t x_row, bint to_write
) noexcept nogil:
    """Prefetch a few rows of a matrix."""
    cdef Py_ssize_t i, j, step = LINE // sizeof(floating)
    for i in range(rows):
        j = 0
        while j < columns:
            if to_write:
                prefetch_to_write(x + i * x_row + j)
            else:
                prefetch(x + i * x_row + j)
            j += step


cdef void pack_panels(
    Py_ssize_t n, Py_ssize_t k, const floating* b, Py_ssize_t b_row, Py_ssize_t b_column, floating* panels,
) noexcept nogil:
    """Pack a block of B.

    If its rows are far apart, all panels of a few rows are packed at a time, so that memory is read along rows.
    """
    cdef Py_ssize_t lane = lanes(panels), p = 0, j, rows, width, padded
    cdef bint ahead = b_column == 1 and are_far(b, b_row)
    while p < k:
        rows = min(k - p, <Py_ssize_t>ROWS_PACKED) if b_column == 1 else k
        j = 0
        while j < n:
            width = panel_width(n - j, lane, TILE_VECTORS)
            padded = (width + lane - 1) // lane * lane
            if ahead and p + 2 * rows <= k:
                prefetch_block(rows, width, b + (p + rows) * b_row + j, b_row, False)
            pack(rows, width, padded, b + p * b_row + j * b_column, b_row, b_column, panels + j * k + p * padded)
            j += width
        p += rows


cdef inline bint writes_most(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, floating* c, Py_ssize_t c_column) noexcept nogil:
    """Whether writing C takes most of the time, so that it should be written along its rows."""
    return k <= SHORT_DEPTH and c_column == 1 and m * n * <Py_ssize_t>sizeof(floating) >= LARGE_BYTES


cdef void multiply_panels(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const floating* a, Py_ssize_t a_row, Py_ssize_t a_column, const floating* panels,
    const floating* bias, bint add, floating* c, Py_ssize_t c_row, Py_ssize_t c_column,
) noexcept nogil:
    """C = A B + bias for a packed block of B: all panels for some rows of A, which stay in the cache; then other rows.

    Numbers of C to which a tile is added are prefetched while the tile is computed. If most time goes into writing C,
    the places of the next tile are prefetched.
    """
    cdef Py_ssize_t lane = lanes(c), row = 0, rows, j, width, padded
    cdef bint single = panel_width(n, lane, TILE_VECTORS) == n
    cdef bint along_rows = not single and writes_most(m, n, k, c, c_column)
    cdef Py_ssize_t most = (
        m if single else TILE_ROWS if along_rows else max(CLOSE // k // TILE_ROWS, 1) * TILE_ROWS
    )
    cdef bint ahead = add and c_column == 1 and k >= LEAST_DEPTH_TO_PREFETCH and not single and are_far(c, c_row)
    cdef const floating* panel
    while row < m:
        rows = most if m - row >= 2 * most else m - row
        panel = panels
        j = 0
        while j < n:
            width = panel_width(n - j, lane, TILE_VECTORS)
            padded = (width + lane - 1) // lane * lane
            if along_rows:
                prefetch_block(rows, width, c + row * c_row + j + width, c_row, True)
            elif ahead:
                prefetch_block(rows, width, c + row * c_row + j, c_row, True)
            tile_column(
                rows, width, k, a + row * a_row, a_row, a_column, panel, padded,
                NULL if bias == NULL else bias + j, add, c + row * c_row + j * c_column, c_row, c_column,
            )
            panel += k * padded
            j += width
        row += rows


cdef void multiply_tiles(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const floating* tiles, const floating* panels,
    const floating* bias, bint add, floating* c, Py_ssize_t c_row, Py_ssize_t c_column,
) noexcept nogil:
    """C = A B + bias for packed blocks of A and B: all tiles of A for one panel of B, then the next panel.

    While a tile is computed, the cache lines of its results, which are not contiguous, are prefetched.
    """
    cdef Py_ssize_t lane = lanes(c), j = 0, i, row, rows, width, padded
    cdef const floating* tile
    while j < n:
        width = panel_width(n - j, lane, TILE_VECTORS)
        padded = (width + lane - 1) // lane * lane
        tile = tiles
        row = 0
        while row < m:
            rows = min(m - row, <Py_ssize_t>TILE_ROWS)
            for i in range(row, row + rows):
                prefetch_to_write(c + i * c_row + j * c_column)
            tile_column(
                rows, width, k, tile, 1, TILE_ROWS, panels, padded,
                NULL if bias == NULL else bias + j, add, c + row * c_row + j * c_column, c_row, c_column,
            )
            tile += k * TILE_ROWS + TILE_GAP
            row += TILE_ROWS
        panels += k * padded
        j += width


cdef void multiply_transposed(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, const floating* a, Py_ssize_t a_column, const floating* panels,
    const floating* bias, bint add, floating* c, Py_ssize_t c_row, Py_ssize_t c_column, floating* tiles,
) noexcept nogil:
    """C = A B + bias for a packed block of B, if the numbers of a column of A are contiguous. A is packed too."""
    cdef Py_ssize_t row = 0, rows
    while row < m:
        rows = min(m - row, <Py_ssize_t>TILED_ROWS)
        if floating is float:
            pack_tiles_float(rows, k, a + row, a_column, TILE_GAP, tiles)
        else:
            pack_tiles_double(rows, k, a + row, a_column, TILE_GAP, tiles)
        multiply_tiles(rows, n, k, tiles, panels, bias, add, c + row * c_row, c_row, c_column)
        row += rows


cdef void multiply_packed(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const floating* a, Py_ssize_t a_row, Py_ssize_t a_column, const floating* b, Py_ssize_t b_row, Py_ssize_t b_column,
    const floating* bias, bint add, floating* c, Py_ssize_t c_row, Py_ssize_t c_column, bint tiled, floating* panels,
) noexcept nogil:
    """C = A B + bias, packing blocks of B that stay in the cache while A is read. If `tiled`, A is packed as well."""
    cdef Py_ssize_t p = 0, j, depth, columns, most
    cdef Py_ssize_t usual = TILED_COLUMNS if tiled else BLOCK_ROW_BYTES // <Py_ssize_t>sizeof(floating)
    cdef floating* tiles = panels + MOST_BLOCK_ROWS * TILED_COLUMNS
    while p < k:
        depth = next_depth(k - p)
        most = usual
        if not tiled and writes_most(m, n, depth, c, c_column):
            most = usual * (BLOCK_ROWS // depth)    # a block of the same size with longer rows
        j = 0
        while j < n:
            columns = min(n - j, most)
            pack_panels(columns, depth, b + p * b_row + j * b_column, b_row, b_column, panels)
            if tiled:
                multiply_transposed(
                    m, columns, depth, a + p * a_column, a_column, panels,
                    NULL if bias == NULL or p else bias + j, add or p > 0, c + j * c_column, c_row, c_column, tiles,
                )
            else:
                multiply_panels(
                    m, columns, depth, a + p * a_column, a_row, a_column, panels,
                    NULL if bias == NULL or p else bias + j, add or p > 0, c + j * c_column, c_row, c_column,
                )
            j += columns
        p += depth


cdef Py_ssize_t packed_numbers(Py_ssize_t n, Py_ssize_t k, Py_ssize_t itemsize) noexcept nogil:
    """How many numbers `pack_matrix` writes for B (k, n), in whole vectors."""
    cdef Py_ssize_t lane = max(VECTOR_BYTES // itemsize, 1)
    return k * ((n + lane - 1) // lane * lane)


cdef void pack_matrix(
    Py_ssize_t n, Py_ssize_t k,
    const floating* b, Py_ssize_t b_row, Py_ssize_t b_column,   # (k, n) IN: one of the two strides is 1
    floating* packed,           # (packed_numbers,) OUT
) noexcept nogil:
    """Pack B for `multiply_by_packed`."""
    cdef Py_ssize_t p = 0, depth
    while p < k:
        depth = next_depth(k - p)
        pack_panels(n, depth, b + p * b_row, b_row, b_column, packed)
        packed += packed_numbers(n, depth, sizeof(floating))
        p += depth


cdef void multiply_by_packed(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const floating* a, Py_ssize_t a_row,        # (m, k) IN: element (i, p) at i a_row + p
    const floating* packed,                     # (k, n) IN, by `pack_matrix`
    const floating* bias,                       # (n,) IN, or NULL
    bint add,
    floating* c, Py_ssize_t c_row,              # (m, n) OUT: element (i, j) at i c_row + j
) noexcept nogil:
    """C = A B + bias; with `add`, C += this. An element of C does not depend on the number of rows."""
    cdef Py_ssize_t p = 0, depth
    while p < k:
        depth = next_depth(k - p)
        multiply_panels(m, n, depth, a + p, a_row, 1, packed, NULL if p else bias, add or p > 0, c, c_row, 1)
        packed += packed_numbers(n, depth, sizeof(floating))
        p += depth
