"""Convolutions of few channels to few filters, by a stretched image.

The stretched image repeats every number as many times as there are filters:

    x0 x0 x0 x1 x1 x1 x2 x2 x2 ...

Then a row of maps (filters last) is a sum over taps: a run of the stretched image times the tap's row of the kernel,
repeated. So vectors are full, however few filters there are. A line that has been read serves all rows of maps and all
taps of the second axis that need it: for a kernel of five rows, one read serves up to five multiplications.

The gradient of the kernel is the sum over positions of the stretched image times the deltas of the maps. For this, a
vector of sums is kept for each row of the kernel, and for each way in which filters can lie in a vector.

With a stride along the last axis, input positions that are equal modulo the stride (a class) are stored together.

    stretched image (taps of the first axis, rows, channels, classes, positions filters + a vector of zeros)

The order in which each element is summed depends only on shapes.
"""

from libc.string cimport memcpy, memset

from cbackprop.compiled.kernels.panels cimport lanes
from cbackprop.compiled.kernels.sweeps cimport Axis, Stretching, Sweep

cdef extern from "stretched.h" nogil:
    ctypedef struct Stretch:
        Py_ssize_t width, columns, entries, taps
        const Py_ssize_t* at
        const Py_ssize_t* kernel
        Py_ssize_t kernel_step, line
    void stretched_rows_float(
        const Stretch* p, Py_ssize_t rows, const float* x, const float* kernel, Py_ssize_t kernel_row, bint add,
        float* y, Py_ssize_t y_row, float* rest)
    void stretched_rows_double(
        const Stretch* p, Py_ssize_t rows, const double* x, const double* kernel, Py_ssize_t kernel_row, bint add,
        double* y, Py_ssize_t y_row, double* rest)
    void stretched_products_float(
        const Stretch* p, Py_ssize_t rows, const float* x, const float* dy, Py_ssize_t dy_row, const float* rest,
        Py_ssize_t begin, Py_ssize_t end, float* sums, Py_ssize_t step)
    void stretched_products_double(
        const Stretch* p, Py_ssize_t rows, const double* x, const double* dy, Py_ssize_t dy_row, const double* rest,
        Py_ssize_t begin, Py_ssize_t end, double* sums, Py_ssize_t step)
    void join_stretched_float(
        Py_ssize_t rows, Py_ssize_t columns, float* sums, Py_ssize_t step, bint add, float* gradient)
    void join_stretched_double(
        Py_ssize_t rows, Py_ssize_t columns, double* sums, Py_ssize_t step, bint add, double* gradient)
    void stretch_lines_float(
        Py_ssize_t lines, Py_ssize_t zeros, Py_ssize_t count, const float* x, Py_ssize_t x_line, Py_ssize_t step,
        Py_ssize_t there, Py_ssize_t columns, float* y, Py_ssize_t y_line, Py_ssize_t width)
    void stretch_lines_double(
        Py_ssize_t lines, Py_ssize_t zeros, Py_ssize_t count, const double* x, Py_ssize_t x_line, Py_ssize_t step,
        Py_ssize_t there, Py_ssize_t columns, double* y, Py_ssize_t y_line, Py_ssize_t width)

cdef enum:
    # Numbers in the largest vector.
    MOST_LANES = 16


# Costs in cycles: of a vector multiplication; of reading, divided by the number of taps that share what is read; of
# writing a number of the stretched image; and per row. Fitted on a Zen 5 to the times of 240 random shapes with AVX-512
# and AVX2. The shapes for which this way is chosen take 0.69 of the time (geometric mean).
cdef double COST_OF_PRODUCT = 1.1, COST_OF_READING = 1.6, COST_OF_NUMBER = 1.6, COST_OF_ROW = 20


cdef bint stretched_pays(const Sweep* sweep, double cost) noexcept:
    """Whether this is faster than another method that takes `cost` cycles per position, counted as in `planar_cost`."""
    cdef const Stretching* given = &sweep.stretching
    cdef Py_ssize_t lane = lanes(<float*>NULL), count = sweep.axes[2].count, width = count * sweep.out_channels
    cdef double products = <double>given.entries * given.taps * ((width + lane - 1) // lane)
    cdef double numbers = sweep.in_channels * given.classes * given.positions, own
    if sweep.out_channels >= lane:
        return False
    numbers *= <double>max(sweep.axes[0].taps, <Py_ssize_t>1) * given.lines / given.rows
    own = products * (COST_OF_PRODUCT + COST_OF_READING / given.taps)
    own += (numbers * COST_OF_NUMBER + COST_OF_ROW) * MOST_LANES / lane
    return own < count * cost


cdef inline Py_ssize_t line_numbers(const Sweep* sweep) noexcept nogil:
    """The length of a row of the stretched image."""
    return sweep.in_channels * sweep.stretching.classes * sweep.stretching.width


cdef inline Py_ssize_t kernel_row(const Sweep* sweep) noexcept nogil:
    """The length of a row of the packed kernel."""
    return sweep.out_channels + MOST_LANES


cdef inline Py_ssize_t image_room(const Sweep* sweep) noexcept nogil:
    """The size of some rows of the stretched image, and of a vector for each row of output positions."""
    cdef const Stretching* stretching = &sweep.stretching
    return max(sweep.axes[0].taps, <Py_ssize_t>1) * stretching.lines * line_numbers(sweep) + MOST_LANES


cdef Py_ssize_t stretched_room(const Sweep* sweep) noexcept nogil:
    """The workspace for a sweep, in numbers, without the packed kernel."""
    cdef Py_ssize_t room = image_room(sweep) + sweep.stretching.rows * MOST_LANES
    return (room + MOST_LANES - 1) // MOST_LANES * MOST_LANES


cdef Py_ssize_t stretched_gradient_room(const Sweep* sweep, Py_ssize_t rows) noexcept nogil:
    """The workspace for the gradient of this many rows of the kernel, in numbers."""
    return stretched_room(sweep) + rows * sweep.out_channels * MOST_LANES


cdef inline Stretch stretch_of(const Sweep* sweep) noexcept nogil:
    """Fill the structure that the loops read."""
    cdef const Stretching* given = &sweep.stretching
    cdef Stretch p
    p.width, p.columns = sweep.axes[2].count * sweep.out_channels, sweep.out_channels
    p.entries, p.taps, p.at, p.kernel = given.entries, given.taps, given.at, given.kernel
    p.kernel_step, p.line = given.kernel_step, sweep.axes[1].in_step * line_numbers(sweep)
    return p


cdef void pack_stretched(
    const Sweep* sweep,
    const floating* kernel,     # (kernel rows, columns) IN
    const floating* bias,       # (columns,) IN, or NULL
    floating* packed,           # (entries, taps, kernel_row) and (kernel_row,) OUT
) noexcept nogil:
    """Pack the kernel and the bias in the order in which a sweep reads them. Each row is repeated behind its end."""
    cdef const Stretching* given = &sweep.stretching
    cdef Py_ssize_t columns = sweep.out_channels, row = kernel_row(sweep), e, i, j
    for e in range(given.entries):
        for i in range(given.taps):
            memcpy(packed, kernel + (given.kernel[e] + i * given.kernel_step) * columns, columns * sizeof(floating))
            for j in range(columns, row):
                packed[j] = packed[j - columns]
            packed += row
    for j in range(row):
        packed[j] = 0 if bias == NULL else bias[j % columns]


cdef void stretch_plane(
    const Sweep* sweep,
    const floating* source,     # (rows, positions, channels) IN: from the first of these rows on
    Py_ssize_t lines,           # rows that are stretched
    Py_ssize_t rows,            # rows that exist in the input
    floating* to,               # (lines, channels, classes, width) OUT
) noexcept nogil:
    """Write rows of the stretched image, with zeros at both ends."""
    cdef const Stretching* given = &sweep.stretching
    cdef const Axis* axis = &sweep.axes[2]
    cdef Py_ssize_t channels = sweep.in_channels, columns = sweep.out_channels, row = sweep.in_sizes[2] * channels
    cdef Py_ssize_t step = axis.in_step, i, c, at, first, end, begin
    for i in range(given.classes):
        # The positions of this class that are inside the input. They are `step` apart.
        at = axis.in_begin + i
        first = min((step - 1 - at) // step, given.positions) if at < 0 else 0
        end = max(min((sweep.in_sizes[2] - at + step - 1) // step, given.positions), first)
        for c in range(channels):
            begin = (at + first * step) * channels + c
            if floating is float:
                stretch_lines_float(
                    lines, first * columns, end - first, source + begin, row, step * channels, rows * row - begin,
                    columns, to + (c * given.classes + i) * given.width, line_numbers(sweep), given.width,
                )
            else:
                stretch_lines_double(
                    lines, first * columns, end - first, source + begin, row, step * channels, rows * row - begin,
                    columns, to + (c * given.classes + i) * given.width, line_numbers(sweep), given.width,
                )


cdef void stretch(
    const Sweep* sweep, const floating* source, Py_ssize_t z, Py_ssize_t y, Py_ssize_t rows, floating* image
) noexcept nogil:
    """Stretch the input of some rows of output positions, from (z, y) on, with zeros outside of the input."""
    cdef const Axis* axes = sweep.axes
    cdef const Py_ssize_t* sizes = sweep.in_sizes
    cdef Py_ssize_t first_z = axes[0].in_begin + z * axes[0].in_step, first_y = axes[1].in_begin + y * axes[1].in_step
    cdef Py_ssize_t count = (rows - 1) * axes[1].in_step + max(axes[1].taps - 1, <Py_ssize_t>0) * axes[1].tap_step + 1
    cdef Py_ssize_t begin = min(max(-first_y, <Py_ssize_t>0), count), end = max(min(count, sizes[1] - first_y), begin)
    cdef Py_ssize_t plane, at, numbers = line_numbers(sweep), row = sizes[2] * sweep.in_channels
    cdef floating* to
    for plane in range(axes[0].taps):
        at = first_z + plane * axes[0].tap_step
        to = image + plane * sweep.stretching.lines * numbers
        if at < 0 or at >= sizes[0] or begin == end:
            memset(to, 0, count * numbers * sizeof(floating))
            continue
        memset(to, 0, begin * numbers * sizeof(floating))
        stretch_plane(
            sweep, source + (at * sizes[1] + first_y + begin) * row, end - begin,
            (sizes[0] - at) * sizes[1] - first_y - begin, to + begin * numbers,
        )
        memset(to + end * numbers, 0, (count - end) * numbers * sizeof(floating))


cdef void stretched_sweep(
    const Sweep* sweep,
    const floating* source,     # of one sample
    const floating* packed,     # by pack_stretched() IN
    bint add,
    floating* out,
    floating* workspace,        # stretched_room(), destroyed
) noexcept nogil:
    """The output positions of a sweep for one sample."""
    cdef const Axis* axes = sweep.axes
    cdef Stretch p = stretch_of(sweep)
    cdef Py_ssize_t z, y, rows, row = kernel_row(sweep), y_row = sweep.out_sizes[2] * sweep.out_channels
    cdef floating* rest = workspace
    cdef floating* image = workspace + sweep.stretching.rows * MOST_LANES
    cdef floating* to
    for z in range(axes[0].count):
        y = 0
        while y < axes[1].count:
            rows = min(sweep.stretching.rows, axes[1].count - y)
            stretch(sweep, source, z, y, rows, image)
            to = out + (z * axes[1].count + y) * y_row
            if floating is float:
                stretched_rows_float(&p, rows, image, packed, row, add, to, y_row, rest)
            else:
                stretched_rows_double(&p, rows, image, packed, row, add, to, y_row, rest)
            y += rows


cdef void copy_rest(
    Py_ssize_t rows, Py_ssize_t width, const floating* deltas, floating* rest
) noexcept nogil:
    """The last numbers of each row, which do not fill a vector, and zeros behind them."""
    cdef Py_ssize_t lane = lanes(rest), count = width % lane, row, i
    for row in range(rows if count else 0):
        for i in range(lane):
            rest[row * lane + i] = deltas[row * width + width - count + i] if i < count else 0


cdef void stretched_kernel(
    const Sweep* sweep,         # the forward one
    Py_ssize_t samples,
    const floating* image, Py_ssize_t image_size,
    const floating* maps, Py_ssize_t maps_size,     # the derivative by them
    Py_ssize_t begin, Py_ssize_t end,   # rows of the kernel
    bint add,
    floating* gradient,         # (end - begin, filters) OUT
    floating* workspace,        # stretched_gradient_room(), destroyed
) noexcept nogil:
    """The gradient of rows of the kernel. Vectors of sums are kept until all samples are done."""
    cdef const Axis* axes = sweep.axes
    cdef Stretch p = stretch_of(sweep)
    cdef Py_ssize_t z, y, rows, _, step = common_multiple(p.columns, lanes(gradient))
    cdef const floating* deltas
    cdef floating* rest = workspace
    cdef floating* lines = workspace + sweep.stretching.rows * MOST_LANES
    cdef floating* sums = workspace + stretched_room(sweep)
    memset(sums, 0, (end - begin) * step * sizeof(floating))
    for _ in range(samples):
        for z in range(axes[0].count):
            y = 0
            while y < axes[1].count:
                rows = min(sweep.stretching.rows, axes[1].count - y)
                stretch(sweep, image, z, y, rows, lines)
                deltas = maps + (z * axes[1].count + y) * p.width
                copy_rest(rows, p.width, deltas, rest)
                if floating is float:
                    stretched_products_float(&p, rows, lines, deltas, p.width, rest, begin, end, sums, step)
                else:
                    stretched_products_double(&p, rows, lines, deltas, p.width, rest, begin, end, sums, step)
                y += rows
        image += image_size
        maps += maps_size
    if floating is float:
        join_stretched_float(end - begin, p.columns, sums, step, add, gradient)
    else:
        join_stretched_double(end - begin, p.columns, sums, step, add, gradient)


cdef inline Py_ssize_t common_multiple(Py_ssize_t columns, Py_ssize_t lane) noexcept nogil:
    """The least common multiple; `lane` is a power of two."""
    cdef Py_ssize_t odd = columns
    while odd % 2 == 0 and lane > 1:
        odd, lane = odd // 2, lane // 2
    return columns * lane
