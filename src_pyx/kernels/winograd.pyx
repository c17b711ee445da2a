"""3 x 3 convolutions with a stride of 1, by Winograd's F(2 x 2, 3 x 3): 16 multiplications in place of 36.

A tile of 2 x 2 output positions reads d, 4 x 4 positions of the input. For each channel and filter, with the kernel g,

    Y = A' [(G g G') * (B' d B)] A,

where * multiplies element by element [1]_. The sum over channels comes before the transform by A, so each of the 16
elements is a matrix product of its own: (tiles, channels) times (channels, filters). The transforms consist mostly of
additions, and cost little if there are many channels and filters.

The elements of the 4 x 4 matrices are stored as planes: (16, tiles, channels). Some rows of tiles are computed at a
time, so that the planes stay in the cache. The order in which each output is summed depends only on shapes.

.. [1] A. Lavin and S. Gray, "Fast algorithms for convolutional neural networks", CVPR 2016.
"""

from libc.string cimport memcpy, memset

from cbackprop.compiled.kernels.gathered_products cimport gather, padded_columns
from cbackprop.compiled.kernels.panels cimport TILE_VECTORS, lanes, panel_row, panel_width

cdef extern from "winograd.h" nogil:
    void transform_kernels_float(
        Py_ssize_t count, const float* g, Py_ssize_t row_step, Py_ssize_t column_step, float* u, Py_ssize_t plane)
    void transform_kernels_double(
        Py_ssize_t count, const double* g, Py_ssize_t row_step, Py_ssize_t column_step, double* u, Py_ssize_t plane)
    void transform_columns_float(
        Py_ssize_t count, Py_ssize_t columns, const float* g, Py_ssize_t apart, Py_ssize_t row_step,
        Py_ssize_t column_step, float* u, Py_ssize_t step, Py_ssize_t plane)
    void transform_columns_double(
        Py_ssize_t count, Py_ssize_t columns, const double* g, Py_ssize_t apart, Py_ssize_t row_step,
        Py_ssize_t column_step, double* u, Py_ssize_t step, Py_ssize_t plane)
    void transform_input_float(
        Py_ssize_t tiles, Py_ssize_t channels, const float* x, Py_ssize_t x_row, float* v, Py_ssize_t plane)
    void transform_input_double(
        Py_ssize_t tiles, Py_ssize_t channels, const double* x, Py_ssize_t x_row, double* v, Py_ssize_t plane)
    void transform_output_float(
        Py_ssize_t filters, const float* m, Py_ssize_t plane, const float* bias, bint add, float* y00, float* y01,
        float* y10, float* y11)
    void transform_output_double(
        Py_ssize_t filters, const double* m, Py_ssize_t plane, const double* bias, bint add, double* y00, double* y01,
        double* y10, double* y11)

cdef enum:
    PLANES = 16
    # The most numbers in all planes together, unless that is less than some tiles.
    PLANES_NUMBERS = 64 * 1024
    # The fewest tiles of a row that are computed together.
    LEAST_TILES = 16
    # With fewer channels or filters, the transforms take too large a share of the time.
    LEAST_CHANNELS = 16
    # A gap between planes, so that they do not compete for the same sets of the cache.
    GAP = 16
    # Room behind the last number that is read.
    SLACK = 32


cdef bint winograd_pays(Py_ssize_t height, Py_ssize_t width, Py_ssize_t channels, Py_ssize_t filters) noexcept:
    """Whether this is faster than computing each position by itself. Measured with benchmarks/kernels.py."""
    cdef double tiles = ((height + 1) // 2) * ((width + 1) // 2)
    if min(channels, filters) < LEAST_CHANNELS or channels * filters > 1024 * 1024:
        return False
    return tiles * (20 + 64 / channels + 64 / filters) + 100 < 9 * height * width


cdef void choose_tiles(Tiling* tiling) noexcept:
    """How many rows and columns of tiles are computed together."""
    cdef Py_ssize_t most = max(PLANES_NUMBERS // (PLANES * (tiling.channels + tiling.filters)), LEAST_TILES)
    cdef Py_ssize_t rows = (tiling.height + 1) // 2, columns = (tiling.width + 1) // 2
    tiling.columns = min(columns, most)
    tiling.rows = min(max(most // columns, 1), rows)


cdef inline Py_ssize_t strip_width(const Tiling* tiling) noexcept nogil:
    """The length of a row of the input that some tiles read."""
    return (2 * tiling.columns + 2) * tiling.channels


cdef inline Py_ssize_t strip_numbers(const Tiling* tiling) noexcept nogil:
    return (2 * tiling.rows + 2) * strip_width(tiling)


cdef inline Py_ssize_t plane_numbers(const Tiling* tiling, Py_ssize_t width) noexcept nogil:
    return tiling.rows * tiling.columns * width + GAP


cdef Py_ssize_t kernel_room(const Tiling* tiling) noexcept:
    """The size of a packed kernel. Panels of both float types are at most padded to whole vectors of the smaller
    one."""
    cdef Py_ssize_t columns = max(
        padded_columns(tiling.filters, <float*>NULL), padded_columns(tiling.filters, <double*>NULL)
    )
    return PLANES * (tiling.channels * columns + GAP) + SLACK


cdef inline Py_ssize_t kernel_plane(const Tiling* tiling, floating* c) noexcept nogil:
    """The distance between two matrices of a packed kernel."""
    return tiling.channels * padded_columns(tiling.filters, c) + GAP


cdef Py_ssize_t tiles_room(const Tiling* tiling) noexcept nogil:
    """The workspace that `winograd` needs, in numbers."""
    return (
        strip_numbers(tiling) + PLANES * plane_numbers(tiling, tiling.channels)
        + PLANES * plane_numbers(tiling, tiling.filters) + 3 * tiling.filters + SLACK
    )


cdef inline void transform_row(
    Py_ssize_t count, const floating* g, Py_ssize_t row_step, Py_ssize_t column_step, floating* u, Py_ssize_t plane
) noexcept nogil:
    if floating is float:
        transform_kernels_float(count, g, row_step, column_step, u, plane)
    else:
        transform_kernels_double(count, g, row_step, column_step, u, plane)


cdef inline void transform_columns(
    Py_ssize_t count, Py_ssize_t columns, const floating* g, Py_ssize_t row_step, Py_ssize_t column_step, floating* u,
    Py_ssize_t step, Py_ssize_t plane,
) noexcept nogil:
    if floating is float:
        transform_columns_float(count, columns, g, count, row_step, column_step, u, step, plane)
    else:
        transform_columns_double(count, columns, g, count, row_step, column_step, u, step, plane)


cdef void pack_kernel(
    const Tiling* tiling,
    const floating* kernel,     # (channels, filters) IN, or, if transposed, (filters, channels)
    bint transposed, Py_ssize_t row_step, Py_ssize_t column_step,
    floating* panels,           # OUT, kernel_room()
) noexcept nogil:
    """G g G' of each channel and filter: 16 matrices (channels, filters) in panels."""
    cdef Py_ssize_t channels = tiling.channels, filters = tiling.filters
    cdef Py_ssize_t plane = kernel_plane(tiling, panels)
    cdef Py_ssize_t j = 0, width, row, c, i, lane = lanes(panels)
    while j < filters:
        width = panel_width(filters - j, lane, TILE_VECTORS)
        row = panel_row(width, lane)
        if transposed:
            for i in range(0, width, 4):
                transform_columns(
                    channels, min(width - i, <Py_ssize_t>4), kernel + (j + i) * channels, row_step, column_step,
                    panels + i, row, plane,
                )
        for c in range(channels):
            if not transposed:
                transform_row(width, kernel + c * filters + j, row_step, column_step, panels + c * row, plane)
            if width < row:
                for i in range(PLANES):
                    memset(panels + i * plane + c * row + width, 0, (row - width) * sizeof(floating))
        panels += channels * row
        j += width


cdef void copy_strip(
    const Tiling* tiling, const floating* source, Py_ssize_t y, Py_ssize_t x, floating* strip
) noexcept nogil:
    """Copy the part of the image that is read by the tiles from row y and column x on, with zeros around it."""
    cdef Py_ssize_t width = strip_width(tiling), first = (tiling.left + 2 * x) * tiling.channels, row, at
    cdef Py_ssize_t all_columns = tiling.in_width * tiling.channels
    cdef Py_ssize_t left = min(max(-first, <Py_ssize_t>0), width)
    cdef Py_ssize_t middle = max(min(all_columns - max(first, <Py_ssize_t>0), width - left), <Py_ssize_t>0)
    for row in range(2 * tiling.rows + 2):
        at = tiling.top + 2 * y + row
        if 0 <= at < tiling.in_height:
            memset(strip, 0, left * sizeof(floating))
            memcpy(strip + left, source + at * all_columns + first + left, middle * sizeof(floating))
            memset(strip + left + middle, 0, (width - left - middle) * sizeof(floating))
        else:
            memset(strip, 0, width * sizeof(floating))
        strip += width


cdef void write_tiles(
    const Tiling* tiling, const floating* m, Py_ssize_t y, Py_ssize_t x, Py_ssize_t rows, Py_ssize_t columns,
    const floating* bias, bint add, floating* out, floating* spare,
) noexcept nogil:
    """Write the outputs of tiles from row y and column x on. Positions beyond the output go to `spare`."""
    cdef Py_ssize_t plane = plane_numbers(tiling, tiling.filters), filters = tiling.filters, row, column
    cdef floating* y00
    cdef floating* y01
    cdef floating* y10
    cdef floating* y11
    cdef bint right, below
    for row in range(y, y + rows):
        below = 2 * row + 1 < tiling.height
        for column in range(x, x + columns):
            right = 2 * column + 1 < tiling.width
            y00 = out + (2 * row * tiling.width + 2 * column) * filters
            y01 = y00 + filters if right else spare
            y10 = y00 + tiling.width * filters if below else spare + filters
            y11 = y00 + (tiling.width + 1) * filters if right and below else spare + 2 * filters
            if floating is float:
                transform_output_float(filters, m, plane, bias, add, y00, y01, y10, y11)
            else:
                transform_output_double(filters, m, plane, bias, add, y00, y01, y10, y11)
            m += filters


cdef void run_tiles(
    const Tiling* tiling, const floating* source, const floating* panels, Py_ssize_t y, Py_ssize_t x, Py_ssize_t rows,
    Py_ssize_t columns, const floating* bias, bint add, floating* out, floating* workspace,
) noexcept nogil:
    """Compute some rows and columns of tiles, from row y and column x on."""
    cdef Py_ssize_t channels = tiling.channels, filters = tiling.filters, row, i, none = 0
    cdef Py_ssize_t kernel = kernel_plane(tiling, out)
    cdef Py_ssize_t in_plane = plane_numbers(tiling, channels), out_plane = plane_numbers(tiling, filters)
    cdef floating* v = workspace + strip_numbers(tiling)
    cdef floating* m = v + PLANES * in_plane
    copy_strip(tiling, source, y, x, workspace)
    for row in range(rows):
        if floating is float:
            transform_input_float(
                columns, channels, workspace + 2 * row * strip_width(tiling), strip_width(tiling),
                v + row * columns * channels, in_plane,
            )
        else:
            transform_input_double(
                columns, channels, workspace + 2 * row * strip_width(tiling), strip_width(tiling),
                v + row * columns * channels, in_plane,
            )
    for i in range(PLANES):
        gather(
            rows * columns, filters, channels, v + i * in_plane, tiling.at, 1, &none, 1,
            panels + i * kernel, 0, 0, channels, <const floating*>NULL, False,
            m + i * out_plane, filters,
        )
    write_tiles(tiling, m, y, x, rows, columns, bias, add, out, m + PLANES * out_plane)


cdef void winograd(
    const Tiling* tiling,
    const floating* source,     # (in_height, in_width, channels) IN
    const floating* panels,     # by pack_kernel() IN
    const floating* bias,       # (filters,) IN, or NULL
    bint add,
    floating* out,              # (height, width, filters) OUT
    floating* workspace,        # tiles_room(), destroyed
    Done done, void* layer, const void* batch, Py_ssize_t position,     # called with rows from this one on, unless NULL
) noexcept nogil:
    """The output positions of a sample."""
    cdef Py_ssize_t all_rows = (tiling.height + 1) // 2, all_columns = (tiling.width + 1) // 2, y = 0, x, rows
    while y < all_rows:
        rows = min(tiling.rows, all_rows - y)
        x = 0
        while x < all_columns:
            run_tiles(
                tiling, source, panels, y, x, rows, min(tiling.columns, all_columns - x), bias, add, out, workspace
            )
            x += tiling.columns
        if done != NULL:
            done(layer, batch, position + 2 * y * tiling.width, min(2 * rows, tiling.height - 2 * y) * tiling.width)
        y += rows
