"""Convolutions in one, two or three dimensions, channels last, as matrix products that read the image in place.

An image is (depth, height, width, channels); lower ranks have sizes of 1 in front. Its maps, the result, are
(depth, height, width, filters). The kernel is (depth, height, width, channels of a group, filters).

Output positions are rows of a product C = A B, where B is the kernel. The numbers that a position reads for one row of
the kernel are contiguous in memory, so A need not be built: tables tell where each position begins, and where its taps
are (`gather_column`). Only where taps reach beyond the borders, a strip of the image is copied, with zeros around it.
No buffer is larger than a strip.

The gradient of the image is such a product too: of the maps and the kernel with its axes reversed. With strides, image
positions that are equal modulo the stride read the same taps: each such class is a sweep. If an image has too few
channels to fill vectors, a position of the maps computes its contribution to a whole row of taps, which is then added
to a row of the image (`spreads`), or simply written there if no two overlap (`abuts`). The gradient of the kernel is in
`convolution_gradient`.

3 x 3 convolutions of many channels use `winograd`, which needs fewer multiplications. Few filters (or, backwards, few
channels), which would not fill vectors, use `planar`.

The order in which each element is summed depends only on shapes.
"""

from cython cimport floating
from libc.string cimport memcpy, memset

from cbackprop.compiled.kernels.convolution_geometry cimport Convolution, reaching_taps, together
from cbackprop.compiled.kernels.done cimport Done
from cbackprop.compiled.kernels.gathered_products cimport (
    gather, pack_columns, pack_rows, padded_columns, spread_rows,
)
from cbackprop.compiled.kernels.panels cimport TILE_VECTORS, lanes, panel_row, panel_width
from cbackprop.compiled.kernels.planar cimport pack_planar, planar_sweep, planes_room
from cbackprop.compiled.kernels.stretched cimport pack_stretched, stretched_room, stretched_sweep
from cbackprop.compiled.kernels.sweeps cimport Axis, Sweep
from cbackprop.compiled.kernels.winograd cimport pack_kernel, tiles_room, winograd


cdef void pack_back(
    Convolution conv, const Sweep* sweep, Py_ssize_t group, const floating* kernel, floating* panels
) noexcept nogil:
    """Panels of one group's kernel with its axes reversed: rows (tap, filter), columns channels.

    With `spreads`, columns are (tap of the last axis, channel).
    """
    cdef Py_ssize_t channels = conv.channels // conv.groups, depth = conv.filters // conv.groups
    cdef Py_ssize_t j = 0, width, row, z, y, x, lane = lanes(panels)
    cdef const Axis* axes = sweep.axes
    cdef const floating* tap
    while j < sweep.columns:
        width = panel_width(sweep.columns - j, lane, TILE_VECTORS)
        row = panel_row(width, lane)
        for z in range(axes[0].taps):
            for y in range(axes[1].taps):
                for x in range(axes[2].taps):
                    tap = kernel + group * depth + conv.filters * (j + channels * (
                        axes[2].kernel_begin + x * axes[2].kernel_step + conv.kernel[2] * (
                            axes[1].kernel_begin + y * axes[1].kernel_step + conv.kernel[1] * (
                                axes[0].kernel_begin + z * axes[0].kernel_step
                            )
                        )
                    ))
                    pack_columns(depth, width, row, tap, conv.filters, panels)
                    panels += depth * row
        j += width


cdef inline bint adds_to_rows(Convolution conv) noexcept nogil:
    """Whether in the backward pass contributions of positions to a row may overlap."""
    return conv.spreads and not conv.abuts


cdef const floating* read_strip(
    const Sweep* sweep, const floating* source, Py_ssize_t z, Py_ssize_t y, Py_ssize_t rows, floating* strip,
) noexcept nogil:
    """Where the input for these rows of output positions, from (z, y) on, begins: in the source, or in a copy."""
    cdef const Axis* axes = sweep.axes
    cdef const Py_ssize_t* sizes = sweep.in_sizes
    cdef Py_ssize_t channels = sweep.in_channels, width = sizes[2] * channels, columns = sweep.strip_columns * channels
    cdef Py_ssize_t plane, row, at_z, at_y
    cdef Py_ssize_t first_z = axes[0].in_begin + z * axes[0].in_step, first_y = axes[1].in_begin + y * axes[1].in_step
    cdef Py_ssize_t left = min(max(-axes[2].in_begin * channels, <Py_ssize_t>0), columns)
    cdef Py_ssize_t begin = max(axes[2].in_begin * channels, <Py_ssize_t>0)
    cdef Py_ssize_t middle = max(min(width - begin, columns - left), <Py_ssize_t>0)
    cdef Py_ssize_t count = (rows - 1) * axes[1].in_step + max(axes[1].taps - 1, <Py_ssize_t>0) * axes[1].tap_step + 1
    cdef floating* to
    if not sweep.copies:
        if sweep.n_taps == 0:
            return source
        return source + (first_z * sizes[1] + first_y) * width + axes[2].in_begin * channels
    for plane in range(axes[0].taps):
        at_z = first_z + plane * axes[0].tap_step
        for row in range(count):
            at_y = first_y + row
            to = strip + (plane * sweep.strip_rows + row) * columns
            if 0 <= at_z < sizes[0] and 0 <= at_y < sizes[1]:
                memset(to, 0, left * sizeof(floating))
                memcpy(to + left, source + (at_z * sizes[1] + at_y) * width + begin, middle * sizeof(floating))
                memset(to + left + middle, 0, (columns - left - middle) * sizeof(floating))
            else:
                memset(to, 0, columns * sizeof(floating))
    return strip


cdef inline void taps_inside(const Sweep* sweep, Py_ssize_t y, Py_ssize_t* first, Py_ssize_t* end) noexcept nogil:
    """Which taps along the second axis are inside the input, for a row of output positions.

    With several taps along the first axis, all are used, because those of a row are then not contiguous.
    """
    cdef const Axis* axis = &sweep.axes[1]
    cdef Py_ssize_t at = axis.in_begin + y * axis.in_step
    first[0], end[0] = 0, axis.taps
    if sweep.pads and sweep.axes[0].taps == 1:
        while first[0] < end[0] and at + first[0] * axis.tap_step < 0:
            first[0] += 1
        while first[0] < end[0] and at + (end[0] - 1) * axis.tap_step >= sweep.in_sizes[1]:
            end[0] -= 1


cdef void run_lines(
    Convolution conv, const Sweep* sweep, Py_ssize_t line, Py_ssize_t rows, Py_ssize_t first, Py_ssize_t end,
    const floating* a, const floating* kernel, Py_ssize_t kernel_row, const floating* bias, bint add,
    floating* out, Py_ssize_t step,     # OUT: positions, `step` apart
) noexcept nogil:
    """Compute rows of output positions, with the taps first:end. Their input begins at row `line` of a strip."""
    cdef const Axis* axes = sweep.axes
    cdef Py_ssize_t inner = sweep.columns, columns = axes[2].count
    cdef Py_ssize_t depth = sweep.n_taps * sweep.run, each = sweep.n_taps // max(axes[1].taps, <Py_ssize_t>1)
    cdef Py_ssize_t group, taps = sweep.n_taps if axes[0].taps > 1 else (end - first) * each
    cdef Py_ssize_t panels = depth * padded_columns(inner, out)
    for group in range(conv.groups - 1, -1, -1):
        gather(
            rows * columns, inner, sweep.run, a + group * (sweep.in_channels // conv.groups),
            sweep.at + line * columns, 1, sweep.taps + first * each, taps,
            kernel + group * (inner if kernel_row else panels), kernel_row, first * each * sweep.run, depth,
            NULL if bias == NULL else bias + group * inner, add, out + group * inner, step,
        )


cdef inline Py_ssize_t place_of_row(const Sweep* sweep, Py_ssize_t z, Py_ssize_t y) noexcept nogil:
    """Where in the output a row of positions begins."""
    cdef const Axis* axes = sweep.axes
    cdef Py_ssize_t row = axes[1].out_begin + y * axes[1].out_step + sweep.out_sizes[1] * (
        axes[0].out_begin + z * axes[0].out_step
    )
    return sweep.out_channels * (axes[2].out_begin + sweep.out_sizes[2] * row)


cdef void run_sweep(
    Convolution conv, const Sweep* sweep, const floating* source, const floating* kernel, Py_ssize_t kernel_row,
    const floating* bias, bint add, floating* out, floating* strip, floating* spread,
    Done done, void* layer, const void* batch, Py_ssize_t position,
) noexcept nogil:
    """The output positions of a sweep for one sample. If kernel_row is 0, the kernel is in panels.

    Rows that read the same taps, and whose positions are equally far from each other in the output, are computed
    together. With room to spread them, results are added to rows of the output, but only after those of further rows
    have been computed: the processor would have to wait for numbers that it has just written. `done` is called with
    rows while they are in the cache; `position` is the number of the sample's first position.
    """
    cdef const Axis* axes = sweep.axes
    cdef Py_ssize_t z, y, rows, line, count, first, end, next_first, next_end
    cdef const floating* a
    cdef const floating* start = bias if spread == NULL else NULL
    cdef Py_ssize_t step = axes[2].out_step * sweep.out_channels if spread == NULL else sweep.columns
    cdef floating* to
    for z in range(axes[0].count):
        y = 0
        while y < axes[1].count:
            rows = min(sweep.rows, axes[1].count - y)
            a = read_strip(sweep, source, z, y, rows, strip)
            line = 0
            while line < rows:
                taps_inside(sweep, y + line, &first, &end)
                count = 1
                while (sweep.runs_on or spread != NULL) and line + count < rows:
                    taps_inside(sweep, y + line + count, &next_first, &next_end)
                    if next_first != first or next_end != end:
                        break
                    count += 1
                to = out + place_of_row(sweep, z, y + line) if spread == NULL else spread + line * axes[2].count * step
                run_lines(
                    conv, sweep, line, count, first, end, a, kernel, kernel_row, start, add and spread == NULL, to, step
                )
                line += count
            if spread != NULL:
                spread_rows(
                    rows, conv.maps[2], conv.kernel[2], conv.stride[2], conv.channels, spread, conv.before[2],
                    conv.image[2], bias, add, out + place_of_row(sweep, z, y),
                    axes[1].out_step * conv.image[2] * conv.channels,
                )
            if done != NULL:
                done(layer, batch, position + (z * axes[1].count + y) * axes[2].count, rows * axes[2].count)
            y += rows


cdef bint packs_kernel(Convolution conv, floating* c) noexcept nogil:
    """Whether to read the kernel in panels: if its rows are long, or groups do not fill vectors."""
    cdef Py_ssize_t inner = conv.filters // conv.groups
    return inner > TILE_VECTORS * lanes(c) or (conv.groups > 1 and inner % lanes(c) != 0)


cdef void convolve_by_tiles(
    Convolution conv, const Sweep* sweep, Py_ssize_t samples, const floating* source, Py_ssize_t source_size,
    const floating* kernel, const floating* bias, bint add, floating* out, Py_ssize_t out_size, floating* workspace,
    Done done, void* layer, const void* batch,
) noexcept nogil:
    """A sweep of all samples, computed by `winograd`."""
    cdef const Axis* y = &sweep.axes[1]
    cdef const Axis* x = &sweep.axes[2]
    cdef Py_ssize_t tap = conv.channels * conv.filters, sample
    cdef floating* panels = workspace + tiles_room(&sweep.tiling)
    pack_kernel(
        &sweep.tiling, kernel + (3 * y.kernel_begin + x.kernel_begin) * tap, sweep != &conv.forward,
        3 * y.kernel_step * tap, x.kernel_step * tap, panels,
    )
    for sample in range(samples):
        winograd(
            &sweep.tiling, source + sample * source_size, panels, bias, add, out + sample * out_size, workspace, done,
            layer, batch, sample * sweep.axes[1].count * sweep.axes[2].count,
        )


cdef void convolve(
    Convolution conv, Py_ssize_t samples,
    const floating* image,      # (samples, image, channels) IN
    const floating* kernel,     # (kernel, channels of a group, filters) IN, padded
    const floating* bias,       # (filters,) IN, or NULL; padded
    bint add,
    floating* maps,             # (samples, maps, filters) OUT
    void* workspace,            # forward_numbers(), destroyed
    Done done, void* layer, const void* batch,  # called with these when rows are done, unless NULL
) noexcept nogil:
    """maps = image * kernel + bias."""
    cdef Py_ssize_t joined = together(conv, samples, conv.joins_forward)
    if joined:
        convolve_samples(
            conv.together, joined // conv.n_together, 0, image, kernel, bias, add, maps, workspace, done, layer, batch
        )
    if joined < samples:
        convolve_samples(
            conv, samples - joined, joined, image + joined * conv.image_size, kernel, bias, add,
            maps + joined * conv.maps_size, workspace, done, layer, batch,
        )


cdef void convolve_samples(
    Convolution conv, Py_ssize_t samples,
    Py_ssize_t first,           # samples before these
    const floating* image, const floating* kernel, const floating* bias, bint add, floating* maps, void* workspace,
    Done done, void* layer, const void* batch,
) noexcept nogil:
    """The same, without joining samples."""
    kernel = reaching_taps(conv, kernel, &workspace)
    cdef Py_ssize_t positions = conv.maps_size // conv.filters
    cdef Py_ssize_t inner = conv.filters // conv.groups, sample, group, row = conv.filters
    cdef floating* strip = <floating*>workspace
    cdef floating* panels = strip + conv.strip_room
    if conv.stretched_forward:
        panels = strip + stretched_room(&conv.forward)
        pack_stretched(&conv.forward, kernel, bias, panels)
        for sample in range(samples):
            stretched_sweep(
                &conv.forward, image + sample * conv.image_size, panels, add, maps + sample * conv.maps_size, strip
            )
            if done != NULL:
                done(layer, batch, (first + sample) * positions, positions)
        return
    if conv.planar_forward:
        panels = strip + planes_room(&conv.forward)
        pack_planar(&conv.forward, conv.kernel, False, kernel, panels)
        for sample in range(samples):
            planar_sweep(
                &conv.forward, image + sample * conv.image_size, panels, bias, add, maps + sample * conv.maps_size,
                strip,
            )
            if done != NULL:
                done(layer, batch, (first + sample) * positions, positions)
        return
    if conv.forward.multiplies_less:
        convolve_by_tiles(
            conv, &conv.forward, samples, image, conv.image_size, kernel, bias, add, maps, conv.maps_size,
            <floating*>workspace, done, layer, batch,
        )
        return
    if packs_kernel(conv, maps):
        for group in range(conv.groups):
            pack_rows(
                conv.kernel_rows, inner, kernel + group * inner, conv.filters,
                panels + group * conv.kernel_rows * padded_columns(inner, maps),
            )
        kernel, row = panels, 0
    for sample in range(samples):
        run_sweep(
            conv, &conv.forward, image + sample * conv.image_size, kernel, row, bias, add,
            maps + sample * conv.maps_size, strip, NULL, done, layer, batch, (first + sample) * positions,
        )


cdef void fill_channels(
    Py_ssize_t positions, Py_ssize_t channels,
    const floating* bias,       # (channels,) IN, or NULL
    floating* image,            # (positions, channels) OUT
) noexcept nogil:
    """Positions to which nothing is added: the bias, or 0."""
    cdef Py_ssize_t i
    if bias == NULL:
        memset(image, 0, positions * channels * sizeof(floating))
        return
    for i in range(positions):
        memcpy(image + i * channels, bias, channels * sizeof(floating))


cdef void convolve_back(
    Convolution conv, Py_ssize_t samples,
    const floating* maps,       # (samples, maps, filters) IN
    const floating* kernel,     # (kernel, channels of a group, filters) IN
    const floating* bias,       # (channels,) IN, or NULL; padded
    bint add,
    floating* image,            # (samples, image, channels) OUT
    void* workspace,            # back_numbers(), destroyed
) noexcept nogil:
    """image = the transposed convolution of maps, + bias. For deltas: the gradient of the image from that of the
    maps."""
    cdef Py_ssize_t joined = together(conv, samples, conv.joins_back)
    if joined:
        convolve_samples_back(conv.together, joined // conv.n_together, maps, kernel, bias, add, image, workspace)
    if joined < samples:
        convolve_samples_back(
            conv, samples - joined, maps + joined * conv.maps_size, kernel, bias, add, image + joined * conv.image_size,
            workspace,
        )


cdef void convolve_samples_back(
    Convolution conv, Py_ssize_t samples, const floating* maps, const floating* kernel, const floating* bias, bint add,
    floating* image, void* workspace,
) noexcept nogil:
    """The same, without joining samples."""
    kernel = reaching_taps(conv, kernel, &workspace)
    cdef Py_ssize_t sample, i, group, size
    cdef Py_ssize_t width = padded_columns(conv.back[0].columns, image)
    cdef floating* strip = <floating*>workspace
    cdef floating* spread = strip + conv.strip_room
    cdef floating* panels = spread + conv.spread_room
    cdef const floating* repeated = bias
    cdef const Sweep* sweep
    if conv.planar_back:
        convolve_back_planar(conv, samples, maps, kernel, bias, add, image, strip)
        return
    if conv.back[0].multiplies_less:
        convolve_by_tiles(
            conv, conv.back, samples, maps, conv.maps_size, kernel, bias, add, image, conv.image_size,
            <floating*>workspace, NULL, NULL, NULL,
        )
        return
    for i in range(conv.n_back):
        sweep = &conv.back[i]
        size = sweep.n_taps * sweep.run * width
        for group in range(conv.groups):
            pack_back(conv, sweep, group, kernel, panels + sweep.packed * conv.groups * width + group * size)
    if conv.abuts and bias != NULL:
        fill_channels(conv.kernel[2], conv.channels, bias, spread)
        repeated = spread
    for sample in range(samples):
        if conv.gaps and not add:
            fill_channels(conv.image_size // conv.channels, conv.channels, bias, image + sample * conv.image_size)
        for i in range(conv.n_back):
            sweep = &conv.back[i]
            run_sweep(
                conv, sweep, maps + sample * conv.maps_size, panels + sweep.packed * conv.groups * width, 0,
                repeated, add, image + sample * conv.image_size, strip, spread if adds_to_rows(conv) else NULL, NULL,
                NULL, NULL, 0,
            )


cdef void convolve_back_planar(
    Convolution conv, Py_ssize_t samples, const floating* maps, const floating* kernel, const floating* bias, bint add,
    floating* image, floating* workspace,
) noexcept nogil:
    """The same, with vectors along positions."""
    cdef Py_ssize_t sample, i, room = 0
    cdef floating* packed
    for i in range(conv.n_back):
        room = max(room, planes_room(&conv.back[i]))
    packed = workspace + room
    for i in range(conv.n_back):
        pack_planar(&conv.back[i], conv.kernel, True, kernel, packed + conv.back[i].packed * conv.channels)
    for sample in range(samples):
        if conv.gaps and not add:
            fill_channels(conv.image_size // conv.channels, conv.channels, bias, image + sample * conv.image_size)
        for i in range(conv.n_back):
            planar_sweep(
                &conv.back[i], maps + sample * conv.maps_size, packed + conv.back[i].packed * conv.channels, bias, add,
                image + sample * conv.image_size, workspace,
            )
