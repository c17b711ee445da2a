"""The gradient of a convolution's kernel, as matrix products that read the image in place.

For each row of the kernel it is the sum over positions of what they read there, times the derivative by the maps. So it
has the tables of `convolution`, with rows and taps exchanged: rows of the kernel are rows of the product, and positions
are its taps.

The order in which each element is summed depends only on shapes.
"""

from cython cimport floating
from libc.string cimport memset

from cbackprop.compiled.kernels.convolution cimport packs_kernel, read_strip
from cbackprop.compiled.kernels.convolution_geometry cimport Convolution, together
from cbackprop.compiled.kernels.gathered_products cimport gather, pack_rows
from cbackprop.compiled.kernels.panels cimport READS_PARTS, lanes
from cbackprop.compiled.kernels.planar cimport planar_kernel
from cbackprop.compiled.kernels.stretched cimport stretched_kernel
from cbackprop.compiled.kernels.sweeps cimport Axis, Sweep

cdef enum:
    # With fewer rows of the kernel, packing the maps is not worth it: they are read too seldom.
    LEAST_ROWS_TO_PACK = 48


cdef void convolve_kernel(
    Convolution conv, Py_ssize_t samples,
    const floating* image,      # (samples, image, channels) IN
    const floating* maps,       # (samples, maps, filters) IN: the derivative by them
    bint maps_padded,           # whether a vector can be read beyond their end
    Py_ssize_t begin, Py_ssize_t end,   # rows of the kernel
    bint add,
    floating* gradient,         # (end - begin, filters) OUT
    void* workspace,            # kernel_numbers(), destroyed
) noexcept nogil:
    """The gradient of rows of the kernel: for each, the sum over positions of the input there times the maps."""
    cdef Py_ssize_t joined = together(conv, samples, conv.together is not None)
    if joined:
        convolve_kernel_of(
            conv.together, joined // conv.n_together, image, maps, maps_padded, begin, end, add, gradient, workspace
        )
    if joined < samples:
        convolve_kernel_of(
            conv, samples - joined, image + joined * conv.image_size, maps + joined * conv.maps_size, maps_padded,
            begin, end, add or joined > 0, gradient, workspace,
        )


cdef void convolve_kernel_of(
    Convolution conv, Py_ssize_t samples, const floating* image, const floating* maps, bint maps_padded,
    Py_ssize_t begin, Py_ssize_t end, bint add, floating* gradient, void* workspace,
) noexcept nogil:
    """The same, without joining samples."""
    cdef floating* sums = <floating*>workspace
    cdef Py_ssize_t first, last
    if conv.taps_at == NULL:
        sum_rows_of_kernel(conv, samples, image, maps, maps_padded, begin, end, add, gradient, workspace)
        return
    first, last = reaching_row(conv, begin), reaching_row(conv, end)
    if not add:
        memset(gradient, 0, (end - begin) * conv.filters * sizeof(floating))
    if first < last:
        sum_rows_of_kernel(
            conv, samples, image, maps, maps_padded, first, last, False, sums, sums + conv.taps_room
        )
        add_reaching(conv, begin, first, last, sums, gradient)


cdef Py_ssize_t reaching_row(Convolution conv, Py_ssize_t row) noexcept nogil:
    """How many rows of the kernel before this one belong to taps that reach the image."""
    cdef Py_ssize_t depth = conv.channels // conv.groups, count = 0
    while count < conv.kernel_rows and conv.taps_at[count // depth] * depth + count % depth < row:
        count += 1
    return count


cdef void add_reaching(
    Convolution conv, Py_ssize_t begin, Py_ssize_t first, Py_ssize_t last,
    const floating* sums,       # (last - first, filters) IN: of rows of taps that reach the image
    floating* gradient,         # (rows from begin on, filters) OUT
) noexcept nogil:
    """Add sums to the rows of the layer's kernel to which they belong."""
    cdef Py_ssize_t depth = conv.channels // conv.groups, row, f
    cdef floating* to
    for row in range(first, last):
        to = gradient + (conv.taps_at[row // depth] * depth + row % depth - begin) * conv.filters
        for f in range(conv.filters):
            to[f] += sums[(row - first) * conv.filters + f]


cdef void sum_rows_of_kernel(
    Convolution conv, Py_ssize_t samples, const floating* image, const floating* maps, bint maps_padded,
    Py_ssize_t begin, Py_ssize_t end, bint add, floating* gradient, void* workspace,
) noexcept nogil:
    """The gradient of rows of the kernel, where all rows belong to taps that reach the image."""
    cdef const Sweep* sweep = &conv.forward
    cdef const Axis* axes = sweep.axes
    cdef Py_ssize_t z, y, rows, row, sample = 0, count, i
    cdef floating* strip = <floating*>workspace
    cdef floating* panels = strip + conv.gradient_strips()
    cdef const floating* a
    if conv.stretched_gradient:
        stretched_kernel(
            sweep, samples, image, conv.image_size, maps, conv.maps_size, begin, end, add, gradient, strip
        )
        return
    if conv.planar_gradient:
        planar_kernel(
            sweep, samples, image, conv.image_size, maps, conv.maps_size, begin, end, add, gradient, strip
        )
        return
    while sample < samples:
        count = min(conv.gradient_samples, samples - sample)
        for z in range(axes[0].count):
            y = 0
            while y < axes[1].count:
                rows = min(sweep.rows, axes[1].count - y)
                a = read_strip(sweep, image, z, y, rows, strip)
                for i in range(1, count if sweep.copies else 1):
                    read_strip(sweep, image + i * conv.image_size, z, y, rows, strip + i * conv.gradient_step)
                row = 0
                while row < rows * count:
                    i = rows * count if count > 1 else min(rows - row, conv.gradient_rows)
                    gather_gradient(
                        conv, begin, end, a, row, i,
                        maps + ((z * conv.maps[1] + y + row) * conv.maps[2]) * conv.filters, maps_padded, add, gradient,
                        panels,
                    )
                    add = True
                    row += i
                y += rows
        image += count * conv.image_size
        maps += count * conv.maps_size
        sample += count


cdef void gather_gradient(
    Convolution conv, Py_ssize_t begin, Py_ssize_t end, const floating* a, Py_ssize_t row, Py_ssize_t rows,
    const floating* maps, bint maps_padded, bint add, floating* gradient,
    floating* panels,           # room for the maps, if they are packed
) noexcept nogil:
    """Add the contribution of some rows of positions to the gradient; those of further samples count on."""
    cdef Py_ssize_t group, inner = conv.filters // conv.groups, depth = conv.channels // conv.groups
    cdef Py_ssize_t positions = rows * conv.maps[2]
    cdef bint packs = (
        packs_kernel(conv, gradient) and (conv.groups > 1 or end - begin >= LEAST_ROWS_TO_PACK)
        or not (maps_padded or READS_PARTS or inner % lanes(gradient) == 0)
    )
    cdef const floating* b
    for group in range(conv.groups):
        b = maps + group * inner
        if packs:
            pack_rows(positions, inner, b, conv.filters, panels)
            b = panels
        gather(
            end - begin, inner, conv.maps[2], a + group * depth, conv.kernel_at + begin,
            conv.forward.axes[2].in_step * conv.channels, conv.lines_at + row, rows, b, 0 if packs else conv.filters,
            0, positions, <const floating*>NULL, add, gradient + group * inner, conv.filters,
        )
