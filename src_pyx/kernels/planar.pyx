"""Convolutions with few filters (backwards: few channels), which would not fill vectors of channels.

Here vectors run along the positions of a row instead. For that, some rows of the input at a time are copied, with zeros
around them, so that the positions of a channel are contiguous. A stride in the last axis is not supported, because
positions would skip numbers of the input (backwards it is supported, because it only makes several sweeps).

    planes (taps of the first axis, rows, channels, width)

The gradient of a kernel is a sum over positions. It needs planes of the maps too.

The order in which each element is summed depends only on shapes.
"""

from libc.string cimport memset

from cbackprop.compiled.kernels.panels cimport lanes
from cbackprop.compiled.kernels.sweeps cimport Axis, Sweep

cdef extern from "planar.h" nogil:
    ctypedef struct PlanarTaps:
        Py_ssize_t rows
        const Py_ssize_t* at
        Py_ssize_t taps, tap_step, columns
    void planar_row_float(
        const PlanarTaps* taps, Py_ssize_t count, const float* x, const float* kernel, const float* bias, bint add,
        float* y, Py_ssize_t y_step)
    void planar_row_double(
        const PlanarTaps* taps, Py_ssize_t count, const double* x, const double* kernel, const double* bias, bint add,
        double* y, Py_ssize_t y_step)
    void planar_gradient_float(
        Py_ssize_t rows, Py_ssize_t count, Py_ssize_t taps, Py_ssize_t filters, const float* x, Py_ssize_t x_row,
        Py_ssize_t tap_step, const float* dy, Py_ssize_t dy_row, Py_ssize_t plane, float* sums, Py_ssize_t step)
    void planar_gradient_double(
        Py_ssize_t rows, Py_ssize_t count, Py_ssize_t taps, Py_ssize_t filters, const double* x, Py_ssize_t x_row,
        Py_ssize_t tap_step, const double* dy, Py_ssize_t dy_row, Py_ssize_t plane, double* sums, Py_ssize_t step)
    void join_sums_float(Py_ssize_t count, float* sums, bint add, float* gradient)
    void join_sums_double(Py_ssize_t count, double* sums, bint add, double* gradient)
    void split_columns_float(
        Py_ssize_t count, Py_ssize_t columns, const float* x, Py_ssize_t step, float* planes, Py_ssize_t plane)
    void split_columns_double(
        Py_ssize_t count, Py_ssize_t columns, const double* x, Py_ssize_t step, double* planes, Py_ssize_t plane)

cdef enum:
    # Numbers in the largest vector. Rows of planes are padded to whole ones.
    MOST_LANES = 16


cdef inline Py_ssize_t whole(Py_ssize_t positions) noexcept nogil:
    """The number of positions, rounded up to whole vectors."""
    return (positions + MOST_LANES - 1) // MOST_LANES * MOST_LANES


# Additional costs of vectors along positions, in cycles per position: to copy a number of the input, to write a number
# of the output, to copy a number of its delta; and per row. Then additional costs of tiles of gathered products: per
# operation on vectors, and per position. All were fitted to benchmarks/kernels.py on a Zen 4.
cdef double COST_OF_INPUT = 1.1, COST_OF_OUTPUT = 0.7, COST_OF_DELTA = 1.1, COST_OF_ROW = 100, COST_OF_DELTA_ROW = 30
cdef double TILES_FACTOR = 1.15, COST_OF_TILES = 6
# If the difference is smaller than this, tiles are used.
cdef double MARGIN = 0.87


cdef double planar_cost(
    Py_ssize_t positions, Py_ssize_t depth, Py_ssize_t channels, Py_ssize_t columns, bint gradient
) noexcept:
    """The cost in cycles per position.

    The arguments are the positions of a row, the terms of a sum, the channels of the input and the columns of the
    output. A vector of 64 bytes takes a cycle, a smaller one less; other costs then weigh more.
    """
    cdef Py_ssize_t lane = lanes(<float*>NULL), vectors = (positions + lane - 1) // lane
    cdef double copying = COST_OF_INPUT * channels if channels > 1 else 0
    copying += columns * (COST_OF_DELTA if gradient else COST_OF_OUTPUT)
    copying += (COST_OF_DELTA_ROW if gradient else COST_OF_ROW) / positions
    return <double>depth * columns * vectors / positions + copying * MOST_LANES / lane


cdef double tiles_cost(double operations) noexcept:
    """The cost of tiles of gathered products in cycles per position, for this many operations on vectors."""
    return TILES_FACTOR * operations + COST_OF_TILES * MOST_LANES / lanes(<float*>NULL)


cdef bint planar_pays(
    Py_ssize_t positions, Py_ssize_t depth, Py_ssize_t channels, Py_ssize_t columns, double operations, bint gradient
) noexcept:
    """Whether vectors along positions are faster than tiles; with `gradient`, for the gradient of the kernel."""
    if positions < 1 or columns >= lanes(<float*>NULL):
        return False
    return planar_cost(positions, depth, channels, columns, gradient) < MARGIN * tiles_cost(operations)


cdef Py_ssize_t plane_width(Py_ssize_t positions, Py_ssize_t taps, Py_ssize_t tap_step) noexcept:
    """The length of a row of a plane."""
    return whole(positions) + max(taps - 1, 0) * tap_step


cdef inline Py_ssize_t planes_row(const Sweep* sweep) noexcept nogil:
    """The length of a row of all planes."""
    return sweep.in_channels * sweep.plane_width


cdef Py_ssize_t planes_room(const Sweep* sweep) noexcept nogil:
    """The workspace for planes of the input, in numbers."""
    return whole(max(sweep.axes[0].taps, <Py_ssize_t>1) * sweep.strip_rows * planes_row(sweep))


cdef Py_ssize_t gradient_room(const Sweep* sweep, Py_ssize_t rows) noexcept nogil:
    """The workspace for the gradient of this many rows of the kernel, in numbers."""
    return (
        planes_room(sweep) + sweep.out_channels * sweep.rows * whole(sweep.axes[2].count)
        + rows * sweep.out_channels * MOST_LANES
    )


cdef inline void split(
    Py_ssize_t count, Py_ssize_t columns, const floating* x, floating* planes, Py_ssize_t plane
) noexcept nogil:
    if floating is float:
        split_columns_float(count, columns, x, columns, planes, plane)
    else:
        split_columns_double(count, columns, x, columns, planes, plane)


cdef void pack_planar(
    const Sweep* sweep, const Py_ssize_t* kernel_sizes, bint transposed,
    const floating* kernel,     # (taps, channels, columns) IN, or, if transposed, (taps, columns, channels)
    floating* packed,           # (taps of two axes, channels, taps of the last axis, columns) OUT
) noexcept nogil:
    """Pack the kernel in the order in which a sweep reads it."""
    cdef const Axis* axes = sweep.axes
    cdef Py_ssize_t channels = sweep.in_channels, columns = sweep.out_channels, z, y, x, c, j, tap
    for z in range(axes[0].taps):
        for y in range(axes[1].taps):
            for c in range(channels):
                for x in range(axes[2].taps):
                    tap = axes[2].kernel_begin + x * axes[2].kernel_step + kernel_sizes[2] * (
                        axes[1].kernel_begin + y * axes[1].kernel_step + kernel_sizes[1] * (
                            axes[0].kernel_begin + z * axes[0].kernel_step
                        )
                    )
                    for j in range(columns):
                        packed[j] = kernel[
                            tap * channels * columns + (j * channels + c if transposed else c * columns + j)
                        ]
                    packed += columns


cdef void read_planes(
    const Sweep* sweep, const floating* source, Py_ssize_t z, Py_ssize_t y, Py_ssize_t rows, floating* planes
) noexcept nogil:
    """Copy the input of some rows of output positions, from (z, y) on, with zeros outside of the input."""
    cdef const Axis* axes = sweep.axes
    cdef Py_ssize_t channels = sweep.in_channels, width = sweep.plane_width
    cdef Py_ssize_t first_z = axes[0].in_begin + z * axes[0].in_step, first_y = axes[1].in_begin + y * axes[1].in_step
    cdef Py_ssize_t count = (rows - 1) * axes[1].in_step + max(axes[1].taps - 1, <Py_ssize_t>0) * axes[1].tap_step + 1
    cdef Py_ssize_t first_x = axes[2].in_begin, left = min(max(-first_x, <Py_ssize_t>0), width)
    cdef Py_ssize_t middle = max(min(sweep.in_sizes[2] - max(first_x, <Py_ssize_t>0), width - left), <Py_ssize_t>0)
    cdef Py_ssize_t plane, row, c, at_z, at_y
    cdef floating* to
    for plane in range(axes[0].taps):
        at_z = first_z + plane * axes[0].tap_step
        for row in range(count):
            at_y = first_y + row
            to = planes + (plane * sweep.strip_rows + row) * planes_row(sweep)
            if 0 <= at_z < sweep.in_sizes[0] and 0 <= at_y < sweep.in_sizes[1]:
                split(
                    middle, channels,
                    source + ((at_z * sweep.in_sizes[1] + at_y) * sweep.in_sizes[2] + first_x + left) * channels,
                    to + left, width,
                )
                for c in range(channels):
                    memset(to + c * width, 0, left * sizeof(floating))
                    memset(to + c * width + left + middle, 0, (width - left - middle) * sizeof(floating))
            else:
                memset(to, 0, planes_row(sweep) * sizeof(floating))


cdef void planar_sweep(
    const Sweep* sweep,
    const floating* source,     # of one sample
    const floating* packed,     # by pack_planar() IN
    const floating* bias,       # (columns,) IN, or NULL
    bint add,
    floating* out,
    floating* planes,           # planes_room(), destroyed
) noexcept nogil:
    """The output positions of a sweep for one sample."""
    cdef const Axis* axes = sweep.axes
    cdef Py_ssize_t channels = sweep.out_channels, z, y = 0, row, rows, step = axes[2].out_step * channels
    cdef PlanarTaps taps
    cdef const floating* x
    cdef floating* to
    taps.rows, taps.at = axes[0].taps * axes[1].taps * sweep.in_channels, sweep.plane_at
    taps.taps, taps.tap_step, taps.columns = axes[2].taps, axes[2].tap_step, channels
    for z in range(axes[0].count):
        y = 0
        while y < axes[1].count:
            rows = min(sweep.rows, axes[1].count - y)
            read_planes(sweep, source, z, y, rows, planes)
            for row in range(rows):
                x = planes + row * axes[1].in_step * planes_row(sweep)
                to = out + channels * (axes[2].out_begin + sweep.out_sizes[2] * (
                    axes[1].out_begin + (y + row) * axes[1].out_step
                    + sweep.out_sizes[1] * (axes[0].out_begin + z * axes[0].out_step)
                ))
                if floating is float:
                    planar_row_float(&taps, axes[2].count, x, packed, bias, add, to, step)
                else:
                    planar_row_double(&taps, axes[2].count, x, packed, bias, add, to, step)
            y += rows


cdef void planar_kernel(
    const Sweep* sweep,         # the forward one
    Py_ssize_t samples,
    const floating* image, Py_ssize_t image_size,
    const floating* maps, Py_ssize_t maps_size,     # the derivative by them
    Py_ssize_t begin, Py_ssize_t end,   # rows of the kernel
    bint add,
    floating* gradient,         # (end - begin, filters) OUT
    floating* workspace,        # gradient_room(), destroyed
) noexcept nogil:
    """The gradient of rows of the kernel. For each element, a vector of sums is kept until all samples are done."""
    cdef Py_ssize_t count = (end - begin) * sweep.out_channels, z, y, rows, _
    cdef floating* planes = workspace
    cdef floating* deltas = planes + planes_room(sweep)
    cdef floating* sums = deltas + sweep.out_channels * sweep.rows * whole(sweep.axes[2].count)
    memset(sums, 0, count * MOST_LANES * sizeof(floating))
    for _ in range(samples):
        for z in range(sweep.axes[0].count):
            y = 0
            while y < sweep.axes[1].count:
                rows = min(sweep.rows, sweep.axes[1].count - y)
                read_planes(sweep, image, z, y, rows, planes)
                read_deltas(sweep, maps, z, y, rows, deltas)
                add_products(sweep, rows, planes, deltas, begin, end, sums)
                y += rows
        image += image_size
        maps += maps_size
    if floating is float:
        join_sums_float(count, sums, add, gradient)
    else:
        join_sums_double(count, sums, add, gradient)


cdef void read_deltas(
    const Sweep* sweep, const floating* maps, Py_ssize_t z, Py_ssize_t y, Py_ssize_t rows, floating* deltas
) noexcept nogil:
    """Planes of some rows of the maps from (z, y) on, with zeros behind each row."""
    cdef Py_ssize_t filters = sweep.out_channels, columns = sweep.axes[2].count, width = whole(columns), row, f
    for row in range(rows):
        split(
            columns, filters, maps + ((z * sweep.axes[1].count + y + row) * columns) * filters,
            deltas + row * filters * width, width,
        )
        for f in range(filters):
            memset(deltas + (row * filters + f) * width + columns, 0, (width - columns) * sizeof(floating))


cdef void add_products(
    const Sweep* sweep, Py_ssize_t rows, const floating* planes, const floating* deltas, Py_ssize_t begin,
    Py_ssize_t end, floating* sums,
) noexcept nogil:
    """Add the contribution of some rows of positions to the vectors of sums."""
    cdef const Axis* axes = sweep.axes
    cdef Py_ssize_t channels = sweep.in_channels, filters = sweep.out_channels, taps = axes[2].taps
    cdef Py_ssize_t i, row, first, count, width = whole(axes[2].count), lane = lanes(sums)
    cdef Py_ssize_t x_row = axes[1].in_step * planes_row(sweep)
    cdef const floating* x
    cdef floating* to
    for i in range(axes[0].taps * axes[1].taps * channels):
        # The kernel's rows of this channel and these taps are `channels` rows apart.
        row = i // channels * taps * channels + i % channels
        first = (begin - row + channels - 1) // channels if begin > row else 0
        count = min((end - row + channels - 1) // channels, taps) - first if end > row else 0
        if count <= 0:
            continue
        x = planes + sweep.plane_at[i] + first * axes[2].tap_step
        to = sums + (row + first * channels - begin) * filters * lane
        if floating is float:
            planar_gradient_float(
                rows, axes[2].count, count, filters, x, x_row, axes[2].tap_step, deltas, filters * width, width, to,
                channels * filters,
            )
        else:
            planar_gradient_double(
                rows, axes[2].count, count, filters, x, x_row, axes[2].tap_step, deltas, filters * width, width, to,
                channels * filters,
            )
