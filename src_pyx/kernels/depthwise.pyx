"""Depthwise convolutions in one, two or three dimensions, channels last: each channel has its own kernels.

An image is (depth, height, width, channels), its maps (depth, height, width, filters), the kernel (depth, height,
width, filters). Channel c makes `multiplier` filters, from number c * multiplier on. Vectors are filled with filters.

Filters are processed in blocks that fill two cache lines, so that the distance between positions does not matter. A
piece of the input is copied, with zeros around it if taps reach beyond the borders, and with each channel repeated for
all its filters. Then all positions are read in the same way. If a copy would change nothing, the input is read in
place.

The gradient of the image is computed in the same way with other sweeps (see convolution.pyx), from the maps and the
reversed kernel.

The order in which each element is summed depends only on shapes.
"""

from cython cimport floating
from libc.string cimport memset

from cbackprop.compiled.kernels.convolution_geometry cimport Convolution, reaching_taps
from cbackprop.compiled.kernels.sweeps cimport AXES, Axis, SLACK, Sweep

cdef extern from "depthwise.h" nogil:
    enum:
        VECTOR_BYTES
    ctypedef struct DepthwiseTaps:
        Py_ssize_t[3] taps, tap_step, kernel_step
        Py_ssize_t in_row, in_step, out_row, out_step
    void depthwise_row_float(
        const DepthwiseTaps* taps, Py_ssize_t count, const float* x, const float* kernel, const float* bias, float* y)
    void depthwise_row_half_float(
        const DepthwiseTaps* taps, Py_ssize_t count, const float* x, const float* kernel, const float* bias, float* y)
    void depthwise_row_double(
        const DepthwiseTaps* taps, Py_ssize_t count, const double* x, const double* kernel, const double* bias,
        double* y)
    void depthwise_row_half_double(
        const DepthwiseTaps* taps, Py_ssize_t count, const double* x, const double* kernel, const double* bias,
        double* y)
    void depthwise_gradient_float(
        const DepthwiseTaps* taps, Py_ssize_t rows, Py_ssize_t count, const float* x, const float* dy, float* gradient)
    void depthwise_gradient_half_float(
        const DepthwiseTaps* taps, Py_ssize_t rows, Py_ssize_t count, const float* x, const float* dy, float* gradient)
    void depthwise_gradient_double(
        const DepthwiseTaps* taps, Py_ssize_t rows, Py_ssize_t count, const double* x, const double* dy,
        double* gradient)
    void depthwise_gradient_half_double(
        const DepthwiseTaps* taps, Py_ssize_t rows, Py_ssize_t count, const double* x, const double* dy,
        double* gradient)
    void gather_channels(Py_ssize_t count, size_t size, const char* source, Py_ssize_t source_step, char* to)

cdef enum:
    BLOCK_BYTES = 128           # of a block of filters: two cache lines
    PIECE_BYTES = 64 * 1024     # of a copied piece of the input, unless that is too few rows
    LEAST_COLUMNS = 16          # positions of a piece along the last axis


cdef struct Block:
    # A block of filters, and where it is.
    Py_ssize_t begin, count
    Py_ssize_t multiplier       # how many filters each channel of the input has


cdef struct Piece:
    # A piece: positions of a sweep that are computed together.
    Py_ssize_t z, y, x          # the first one
    Py_ssize_t rows, columns


cdef inline Py_ssize_t block_filters(floating* c) noexcept nogil:
    return BLOCK_BYTES // <Py_ssize_t>sizeof(floating)


cdef inline Py_ssize_t reach(const Axis* axis) noexcept nogil:
    """The extent of one position's input: from its first tap to the last one."""
    return max(axis.taps - 1, <Py_ssize_t>0) * axis.tap_step + 1


cdef inline bint reads(const Sweep* sweep) noexcept nogil:
    """Whether positions read anything."""
    return sweep.axes[0].taps > 0 and sweep.axes[1].taps > 0 and sweep.axes[2].taps > 0


cdef void largest_piece(const Sweep* sweep, Py_ssize_t filters, Py_ssize_t itemsize, Piece* piece) noexcept nogil:
    """Choose rows and columns of a piece such that its input is not too large."""
    cdef const Axis* y = &sweep.axes[1]
    cdef const Axis* x = &sweep.axes[2]
    cdef Py_ssize_t positions = PIECE_BYTES // (itemsize * filters * max(sweep.axes[0].taps, <Py_ssize_t>1))
    cdef Py_ssize_t fit = (positions // reach(y) - reach(x)) // x.in_step + 1
    piece.columns = min(max(fit, <Py_ssize_t>LEAST_COLUMNS), x.count)
    fit = (positions // ((piece.columns - 1) * x.in_step + reach(x)) - reach(y)) // y.in_step + 1
    piece.rows = min(max(fit, <Py_ssize_t>1), y.count)


cdef Py_ssize_t piece_numbers(const Sweep* sweep, const Piece* piece, Py_ssize_t filters) noexcept nogil:
    """The size of the input of a piece."""
    return filters * max(sweep.axes[0].taps, <Py_ssize_t>1) * (
        ((piece.rows - 1) * sweep.axes[1].in_step + reach(&sweep.axes[1]))
        * ((piece.columns - 1) * sweep.axes[2].in_step + reach(&sweep.axes[2]))
    )


cdef void measure(
    Convolution conv, Py_ssize_t itemsize, Py_ssize_t* columns, Py_ssize_t* numbers
) noexcept nogil:
    """The largest columns and the largest input of all pieces.

    The last block may have fewer filters; then its pieces are larger.
    """
    cdef Py_ssize_t block = min(conv.filters, BLOCK_BYTES // itemsize), filters, i
    cdef Py_ssize_t[2] counts = [block, conv.filters % block]
    cdef const Sweep* sweep
    cdef Piece piece
    columns[0], numbers[0] = 0, 0
    for filters in counts:
        for i in range(-1, conv.n_back if filters else -1):
            sweep = &conv.forward if i < 0 else &conv.back[i]
            largest_piece(sweep, filters, itemsize, &piece)
            columns[0] = max(columns[0], piece.columns)
            numbers[0] = max(numbers[0], piece_numbers(sweep, &piece, filters))


cdef Py_ssize_t row_bytes(Convolution conv, Py_ssize_t itemsize) noexcept nogil:
    """Room for a row of results, or for the gradient of a block."""
    cdef Py_ssize_t columns, numbers
    measure(conv, itemsize, &columns, &numbers)
    return BLOCK_BYTES * max(columns, conv.kernel[0] * conv.kernel[1] * conv.kernel[2])


cdef Py_ssize_t depthwise_bytes(Convolution conv, Py_ssize_t itemsize) noexcept:
    """The workspace of any of these functions, in bytes."""
    cdef Py_ssize_t columns, numbers
    measure(conv, itemsize, &columns, &numbers)
    return row_bytes(conv, itemsize) + itemsize * (conv.taps_room + numbers + SLACK)


cdef void repeat_channels(
    Py_ssize_t count, const Block* block, const floating* source, Py_ssize_t step, floating* to
) noexcept nogil:
    """Copy the channels that the filters of a block read, for `count` positions."""
    cdef Py_ssize_t first = block.begin // block.multiplier, left = block.begin % block.multiplier, j, c, k, _
    for _ in range(count):
        c, k = first, left
        for j in range(block.count):
            to[j] = source[c]
            k += 1
            if k == block.multiplier:
                c, k = c + 1, 0
        source += step
        to += block.count


cdef const floating* read_piece(
    const Sweep* sweep, const Piece* piece, const Block* block,
    const floating* source,     # (in_sizes, channels) IN, of one sample
    floating* copy,             # OUT, if anything is copied
    DepthwiseTaps* taps,        # OUT: the steps through the input
) noexcept nogil:
    """Where the input of a piece's first position begins: in the source, or in a copy."""
    cdef const Axis* axes = sweep.axes
    cdef Py_ssize_t channels = sweep.in_channels, step, width, count, plane, row, z, y
    cdef Py_ssize_t first_z = axes[0].in_begin + piece.z * axes[0].in_step
    cdef Py_ssize_t first_y = axes[1].in_begin + piece.y * axes[1].in_step
    cdef Py_ssize_t first_x = axes[2].in_begin + piece.x * axes[2].in_step
    cdef Py_ssize_t left, middle
    # The last position is read as whole vectors, which must not reach beyond the end of the input.
    cdef bint copies = (
        sweep.pads or block.multiplier > 1 or block.count < channels or not fills_vectors(block.count, copy)
    )
    cdef floating* to
    step = block.count if copies else channels
    width = (piece.columns - 1) * axes[2].in_step + reach(&axes[2]) if copies else sweep.in_sizes[2]
    count = (piece.rows - 1) * axes[1].in_step + reach(&axes[1]) if copies else sweep.in_sizes[1]
    taps.in_step, taps.tap_step[2] = axes[2].in_step * step, axes[2].tap_step * step
    taps.in_row, taps.tap_step[1] = axes[1].in_step * width * step, axes[1].tap_step * width * step
    if not reads(sweep):
        return source
    if not copies:
        taps.tap_step[0] = axes[0].tap_step * count * width * step
        return source + ((first_z * count + first_y) * width + first_x) * channels
    taps.tap_step[0] = count * width * step
    left = min(max(-first_x, <Py_ssize_t>0), width)
    middle = max(min(sweep.in_sizes[2] - max(first_x, <Py_ssize_t>0), width - left), <Py_ssize_t>0)
    for plane in range(axes[0].taps):
        z = first_z + plane * axes[0].tap_step
        for row in range(count):
            y = first_y + row
            to = copy + (plane * count + row) * width * step
            if not (0 <= z < sweep.in_sizes[0] and 0 <= y < sweep.in_sizes[1]):
                memset(to, 0, width * step * sizeof(floating))
                continue
            memset(to, 0, left * step * sizeof(floating))
            copy_positions(
                middle, block, source + ((z * sweep.in_sizes[1] + y) * sweep.in_sizes[2] + first_x + left) * channels,
                channels, to + left * step,
            )
            memset(to + (left + middle) * step, 0, (width - left - middle) * step * sizeof(floating))
    return copy


cdef inline void copy_positions(
    Py_ssize_t count, const Block* block, const floating* source, Py_ssize_t channels, floating* to
) noexcept nogil:
    if block.multiplier > 1:
        repeat_channels(count, block, source, channels, to)
    else:
        gather_channels(
            count, block.count * sizeof(floating), <const char*>(source + block.begin), channels * sizeof(floating),
            <char*>to,
        )


cdef inline void compute_row(
    const DepthwiseTaps* taps, bint half, Py_ssize_t count, const floating* x, const floating* kernel,
    const floating* bias, floating* y,
) noexcept nogil:
    if floating is float:
        if half:
            depthwise_row_half_float(taps, count, x, kernel, bias, y)
        else:
            depthwise_row_float(taps, count, x, kernel, bias, y)
    elif half:
        depthwise_row_half_double(taps, count, x, kernel, bias, y)
    else:
        depthwise_row_double(taps, count, x, kernel, bias, y)


cdef inline void compute_gradient(
    const DepthwiseTaps* taps, bint half, Py_ssize_t rows, Py_ssize_t count, const floating* x, const floating* dy,
    floating* gradient,
) noexcept nogil:
    if floating is float:
        if half:
            depthwise_gradient_half_float(taps, rows, count, x, dy, gradient)
        else:
            depthwise_gradient_float(taps, rows, count, x, dy, gradient)
    elif half:
        depthwise_gradient_half_double(taps, rows, count, x, dy, gradient)
    else:
        depthwise_gradient_double(taps, rows, count, x, dy, gradient)


cdef inline Py_ssize_t vector_lanes(Py_ssize_t left, bint* half, floating* c) noexcept nogil:
    """The number of filters in the next vector: half a vector if that is enough for those that are left."""
    cdef Py_ssize_t lanes = max(VECTOR_BYTES // <Py_ssize_t>sizeof(floating), <Py_ssize_t>1)
    half[0] = VECTOR_BYTES == 64 and 2 * left <= lanes
    return lanes // 2 if half[0] else lanes


cdef inline bint fills_vectors(Py_ssize_t filters, floating* c) noexcept nogil:
    """Whether vectors of this many filters are full."""
    cdef bint half
    cdef Py_ssize_t rest = filters % vector_lanes(filters, &half, c)
    return rest % vector_lanes(rest, &half, c) == 0


cdef void put_row(
    Py_ssize_t count, Py_ssize_t lanes, Py_ssize_t filters, const floating* row, bint add, floating* out,
    Py_ssize_t out_step,
) noexcept nogil:
    """Copy the first `filters` numbers of each vector of a row."""
    cdef Py_ssize_t j, _
    for _ in range(count):
        for j in range(filters):
            out[j] = out[j] + row[j] if add else row[j]
        row += lanes
        out += out_step


cdef void add_row(
    Py_ssize_t count, Py_ssize_t lanes, Py_ssize_t begin, Py_ssize_t filters, Py_ssize_t multiplier,
    const floating* row, floating* out, Py_ssize_t out_step,
) noexcept nogil:
    """The same for filters from `begin` on, added to their channels."""
    cdef Py_ssize_t j, _
    for _ in range(count):
        for j in range(filters):
            out[(begin + j) // multiplier] += row[j]
        row += lanes
        out += out_step


cdef void run_sweep(
    const Sweep* sweep, const Py_ssize_t* kernel_sizes, Py_ssize_t filters, bint back, Py_ssize_t multiplier,
    const floating* source, const floating* kernel, const floating* bias, bint add, floating* out,
    floating* copy, floating* row,
) noexcept nogil:
    """The positions of a sweep for one sample."""
    cdef const Axis* axes = sweep.axes
    cdef Piece piece, most
    cdef Block block
    cdef Py_ssize_t most_filters = min(filters, block_filters(out))
    block.begin, block.multiplier = 0, 1 if back else multiplier
    while block.begin < filters:
        block.count = min(filters - block.begin, most_filters)
        largest_piece(sweep, block.count, sizeof(floating), &most)
        for piece.z in range(axes[0].count):
            piece.y = 0
            while piece.y < axes[1].count:
                piece.rows = min(most.rows, axes[1].count - piece.y)
                piece.x = 0
                while piece.x < axes[2].count:
                    piece.columns = min(most.columns, axes[2].count - piece.x)
                    run_piece(
                        sweep, kernel_sizes, filters, &block, &piece, multiplier if back else 1, source, kernel, bias,
                        add, out, copy, row,
                    )
                    piece.x += piece.columns
                piece.y += piece.rows
        block.begin += block.count


cdef void run_piece(
    const Sweep* sweep, const Py_ssize_t* kernel_sizes, Py_ssize_t filters, const Block* block, const Piece* piece,
    Py_ssize_t shared, const floating* source, const floating* kernel, const floating* bias, bint add, floating* out,
    floating* copy, floating* row,
) noexcept nogil:
    """A block of filters of a piece. `shared` filters are summed into each channel of the output."""
    cdef const Axis* axes = sweep.axes
    cdef DepthwiseTaps taps
    cdef const floating* x = read_piece(sweep, piece, block, source, copy, &taps)
    cdef Py_ssize_t y, begin, lanes, count, out_step = axes[2].out_step * sweep.out_channels
    cdef bint half
    cdef floating* to
    kernel += block.begin + first_tap(sweep, kernel_sizes, filters, &taps)
    for y in range(piece.rows):
        to = out + sweep.out_channels * (
            axes[2].out_begin + piece.x * axes[2].out_step + sweep.out_sizes[2] * (
                axes[1].out_begin + (piece.y + y) * axes[1].out_step + sweep.out_sizes[1] * (
                    axes[0].out_begin + piece.z * axes[0].out_step
                )
            )
        )
        begin = 0
        while begin < block.count:
            lanes = vector_lanes(block.count - begin, &half, out)
            count = min(lanes, block.count - begin)
            if count == lanes and shared == 1 and not add:
                taps.out_step = out_step
                compute_row(
                    &taps, half, piece.columns, x + begin, kernel + begin,
                    NULL if bias == NULL else bias + block.begin + begin, to + block.begin + begin,
                )
            else:
                taps.out_step = lanes
                compute_row(
                    &taps, half, piece.columns, x + begin, kernel + begin,
                    NULL if bias == NULL else bias + block.begin + begin, row,
                )
                if shared == 1:
                    put_row(piece.columns, lanes, count, row, add, to + block.begin + begin, out_step)
                else:
                    add_row(piece.columns, lanes, block.begin + begin, count, shared, row, to, out_step)
            begin += count
        x += taps.in_row


cdef inline Py_ssize_t first_tap(
    const Sweep* sweep, const Py_ssize_t* kernel_sizes, Py_ssize_t filters, DepthwiseTaps* taps
) noexcept nogil:
    """Where the first tap of a sweep is in the kernel, and the steps through the kernel."""
    cdef const Axis* axes = sweep.axes
    cdef int axis
    for axis in range(AXES):
        taps.taps[axis] = axes[axis].taps
    taps.kernel_step[2] = axes[2].kernel_step * filters
    taps.kernel_step[1] = axes[1].kernel_step * kernel_sizes[2] * filters
    taps.kernel_step[0] = axes[0].kernel_step * kernel_sizes[1] * kernel_sizes[2] * filters
    return filters * (
        axes[2].kernel_begin + kernel_sizes[2] * (axes[1].kernel_begin + kernel_sizes[1] * axes[0].kernel_begin)
    )


cdef void depthwise(
    Convolution conv, Py_ssize_t samples,
    const floating* image,      # (samples, image, channels) IN
    const floating* kernel,     # (kernel, filters) IN, padded
    const floating* bias,       # (filters,) IN, or NULL; padded
    floating* maps,             # (samples, maps, filters) OUT
    void* workspace,            # depthwise_bytes(), destroyed
) noexcept nogil:
    """maps = image * kernel + bias."""
    kernel = reaching_taps(conv, kernel, &workspace)
    cdef floating* row = <floating*>workspace
    cdef floating* copy = <floating*>(<char*>workspace + row_bytes(conv, sizeof(floating)))
    cdef Py_ssize_t sample
    for sample in range(samples):
        run_sweep(
            &conv.forward, conv.kernel, conv.filters, False, conv.filters // conv.channels,
            image + sample * conv.image_size, kernel, bias, False, maps + sample * conv.maps_size, copy, row,
        )


cdef void depthwise_back(
    Convolution conv, Py_ssize_t samples,
    const floating* maps,       # (samples, maps, filters) IN
    const floating* kernel,     # (kernel, filters) IN, padded
    bint add,
    floating* image,            # (samples, image, channels) OUT
    void* workspace,            # depthwise_bytes(), destroyed
) noexcept nogil:
    """The gradient of the image from that of the maps."""
    kernel = reaching_taps(conv, kernel, &workspace)
    cdef floating* row = <floating*>workspace
    cdef floating* copy = <floating*>(<char*>workspace + row_bytes(conv, sizeof(floating)))
    cdef Py_ssize_t sample, i, multiplier = conv.filters // conv.channels
    for sample in range(samples):
        if (multiplier > 1 or conv.gaps) and not add:
            memset(image + sample * conv.image_size, 0, conv.image_size * sizeof(floating))
        for i in range(conv.n_back):
            run_sweep(
                &conv.back[i], conv.kernel, conv.filters, True, multiplier, maps + sample * conv.maps_size, kernel,
                <const floating*>NULL, add, image + sample * conv.image_size, copy, row,
            )


cdef void depthwise_kernel(
    Convolution conv, Py_ssize_t samples,
    const floating* image,      # (samples, image, channels) IN
    const floating* maps,       # (samples, maps, filters) IN, padded: the derivative by them
    bint add,
    floating* gradient,         # (kernel, filters) OUT
    void* workspace,            # depthwise_bytes(), destroyed
) noexcept nogil:
    """The gradient of the kernel: for each tap, the sum over positions of the input there times the maps."""
    cdef Py_ssize_t taps = conv.kernel[0] * conv.kernel[1] * conv.kernel[2], sample, i, j
    cdef floating* sums = <floating*>workspace
    cdef floating* copy = <floating*>(<char*>workspace + row_bytes(conv, sizeof(floating)))
    cdef Py_ssize_t width = block_filters(gradient)
    cdef floating* to
    cdef Block block
    if conv.taps_at != NULL and not add:
        memset(gradient, 0, conv.layer_taps * conv.filters * sizeof(floating))
    block.begin, block.multiplier = 0, conv.filters // conv.channels
    while block.begin < conv.filters:
        block.count = min(conv.filters - block.begin, width)
        memset(sums, 0, taps * BLOCK_BYTES)
        for sample in range(samples):
            sum_sample(
                conv, &block, image + sample * conv.image_size, maps + sample * conv.maps_size, copy, sums
            )
        for i in range(taps):
            to = gradient + (i if conv.taps_at == NULL else conv.taps_at[i]) * conv.filters + block.begin
            for j in range(block.count):
                to[j] = to[j] + sums[i * width + j] if add else sums[i * width + j]
        block.begin += block.count


cdef void sum_sample(
    Convolution conv, const Block* block, const floating* image, const floating* maps, floating* copy, floating* sums
) noexcept nogil:
    """Add one sample's contribution to the gradient of a block."""
    cdef const Sweep* sweep = &conv.forward
    cdef const Axis* axes = sweep.axes
    cdef Py_ssize_t begin, lanes
    cdef bint half
    cdef Piece piece, most
    cdef DepthwiseTaps taps
    cdef const floating* x
    cdef const floating* dy
    largest_piece(sweep, block.count, sizeof(floating), &most)
    first_tap(sweep, conv.kernel, block_filters(sums), &taps)
    taps.out_step, taps.out_row = conv.filters, conv.filters * conv.maps[2]
    for piece.z in range(axes[0].count):
        piece.y = 0
        while piece.y < axes[1].count:
            piece.rows = min(most.rows, axes[1].count - piece.y)
            piece.x = 0
            while piece.x < axes[2].count:
                piece.columns = min(most.columns, axes[2].count - piece.x)
                x = read_piece(sweep, &piece, block, image, copy, &taps)
                dy = maps + block.begin + conv.filters * (
                    (piece.z * conv.maps[1] + piece.y) * conv.maps[2] + piece.x
                )
                begin = 0
                while begin < block.count:
                    lanes = vector_lanes(block.count - begin, &half, sums)
                    compute_gradient(&taps, half, piece.rows, piece.columns, x + begin, dy + begin, sums + begin)
                    begin += lanes
                piece.x += piece.columns
            piece.y += piece.rows
