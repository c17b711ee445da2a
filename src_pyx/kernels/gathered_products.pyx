"""Matrix products whose first matrix is gathered: each row begins at any place, and consists of several runs.

Convolutions are such products. The tiles are those of `matrix`, compiled a second time with GATHERS (see tiles.h).
"""

from cbackprop.compiled.kernels.panels cimport TILE_VECTORS, cost_of_columns, lanes, panel_row, panel_width

cdef extern from "gathered_products.h" nogil:
    void gather_column_float(
        Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t k, const float* a, const Py_ssize_t* a_rows,
        Py_ssize_t a_column, const Py_ssize_t* taps, Py_ssize_t n_taps, const float* b, Py_ssize_t b_row,
        const float* bias, bint add, bint spills, float* c, Py_ssize_t c_row)
    void gather_column_double(
        Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t k, const double* a, const Py_ssize_t* a_rows,
        Py_ssize_t a_column, const Py_ssize_t* taps, Py_ssize_t n_taps, const double* b, Py_ssize_t b_row,
        const double* bias, bint add, bint spills, double* c, Py_ssize_t c_row)
    void pack_rows_float(
        Py_ssize_t k, Py_ssize_t columns, Py_ssize_t width, const float* b, Py_ssize_t b_row, float* panel)
    void pack_rows_double(
        Py_ssize_t k, Py_ssize_t columns, Py_ssize_t width, const double* b, Py_ssize_t b_row, double* panel)
    void spread_rows_float(
        Py_ssize_t rows, Py_ssize_t count, Py_ssize_t taps, Py_ssize_t stride, Py_ssize_t channels,
        const float* values, Py_ssize_t before, Py_ssize_t size, const float* bias, bint add, float* out,
        Py_ssize_t out_row)
    void pack_columns_float(
        Py_ssize_t k, Py_ssize_t columns, Py_ssize_t width, const float* b, Py_ssize_t b_column, float* panel)
    void spread_rows_double(
        Py_ssize_t rows, Py_ssize_t count, Py_ssize_t taps, Py_ssize_t stride, Py_ssize_t channels,
        const double* values, Py_ssize_t before, Py_ssize_t size, const double* bias, bint add, double* out,
        Py_ssize_t out_row)
    void pack_columns_double(
        Py_ssize_t k, Py_ssize_t columns, Py_ssize_t width, const double* b, Py_ssize_t b_column, double* panel)


cdef Py_ssize_t cost_of_floats(Py_ssize_t columns) noexcept nogil:
    """`cost_of_columns` with the vectors of this module: for modules that are not built for instruction sets."""
    return cost_of_columns(columns, lanes(<float*>NULL))


cdef Py_ssize_t padded_columns(Py_ssize_t columns, floating* c) noexcept nogil:
    """The numbers in a row of all panels together."""
    cdef Py_ssize_t j = 0, width, total = 0, lane = lanes(c)
    while j < columns:
        width = panel_width(columns - j, lane, TILE_VECTORS)
        total += panel_row(width, lane)
        j += width
    return total


cdef inline void gather_panel(
    Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t k,
    const floating* a, const Py_ssize_t* a_rows, Py_ssize_t a_column, const Py_ssize_t* taps, Py_ssize_t n_taps,
    const floating* b, Py_ssize_t b_row, const floating* bias, bint add, bint spills, floating* c, Py_ssize_t c_row,
) noexcept nogil:
    if floating is float:
        gather_column_float(
            rows, columns, k, a, a_rows, a_column, taps, n_taps, b, b_row, bias, add, spills, c, c_row
        )
    else:
        gather_column_double(
            rows, columns, k, a, a_rows, a_column, taps, n_taps, b, b_row, bias, add, spills, c, c_row
        )


cdef void gather(
    Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t k,
    const floating* a, const Py_ssize_t* a_rows, Py_ssize_t a_column, const Py_ssize_t* taps, Py_ssize_t n_taps,
    const floating* b, Py_ssize_t b_row,    # B or, if b_row is 0, its panels
    Py_ssize_t first, Py_ssize_t depth,     # the row of B with which sums begin, and the number of rows in panels
    const floating* bias, bint add, floating* c, Py_ssize_t c_row,
) noexcept nogil:
    """C = A B + bias, panel after panel of columns.

    If rows of C are contiguous, the last panel comes first, because it also writes behind its last column. Those
    numbers belong to other panels, which overwrite them.
    """
    cdef Py_ssize_t j = 0, width, row, lane = lanes(c), last = columns
    cdef bint spills = c_row == columns and not add
    while True:
        width = panel_width(last - j, lane, TILE_VECTORS)
        if j + width == columns:
            break
        j += width
    last = j
    while True:
        row = b_row if b_row else panel_row(width, lane)
        gather_panel(
            rows, width, k, a, a_rows, a_column, taps, n_taps, b + (j if b_row else j * depth) + first * row, row,
            NULL if bias == NULL else bias + j, add, spills and j == last, c + j, c_row,
        )
        j = 0 if j == last else j + width
        if j == last:
            return
        width = panel_width(columns - j, lane, TILE_VECTORS)


cdef void pack_rows(
    Py_ssize_t k, Py_ssize_t columns, const floating* b, Py_ssize_t b_row, floating* panels
) noexcept nogil:
    """Pack B (k, columns) into panels."""
    cdef Py_ssize_t j = 0, width, row, lane = lanes(panels)
    while j < columns:
        width = panel_width(columns - j, lane, TILE_VECTORS)
        row = panel_row(width, lane)
        if floating is float:
            pack_rows_float(k, width, row, b + j, b_row, panels)
        else:
            pack_rows_double(k, width, row, b + j, b_row, panels)
        panels += k * row
        j += width


cdef void pack_columns(
    Py_ssize_t k, Py_ssize_t columns, Py_ssize_t width, const floating* b, Py_ssize_t b_column, floating* panel
) noexcept nogil:
    """Pack a panel of B (k, width) from the transpose of B. Numbers behind its columns are not set."""
    if floating is float:
        pack_columns_float(k, columns, width, b, b_column, panel)
    else:
        pack_columns_double(k, columns, width, b, b_column, panel)


cdef void spread_rows(
    Py_ssize_t rows, Py_ssize_t count, Py_ssize_t taps, Py_ssize_t stride, Py_ssize_t channels,
    const floating* values,     # (rows, count, taps, channels) IN; a vector can be read behind their end
    Py_ssize_t before, Py_ssize_t size,
    const floating* bias,       # (channels,) IN, or NULL; padded
    bint add,
    floating* out,              # (rows, size, channels) OUT: rows are out_row apart
    Py_ssize_t out_row,
) noexcept nogil:
    """Rows of an image: at each place, bias + the sum of what positions of a row of the maps contribute to it.

    The contributions of position p are to `taps` successive places, from p stride - before on.
    """
    if floating is float:
        spread_rows_float(rows, count, taps, stride, channels, values, before, size, bias, add, out, out_row)
    else:
        spread_rows_double(rows, count, taps, stride, channels, values, before, size, bias, add, out, out_row)
