"""Convolutions in one, two or three dimensions, channels last, as matrix products whose operand is read where it lies.

An image is (depth, height, width, channels); lower ranks have sizes of 1 in front. Maps are what a convolution makes of
it: (depth, height, width, filters). The kernel is (depth, height, width, channels of a group, filters).

Output positions are rows of a product C = A B, where B is the kernel. The numbers that a position reads for one row of
the kernel follow each other in memory, so that A need not be written down: tables say where each position begins, and
where its taps are (`gather_column`). Only where taps reach beyond the borders, a strip of the image is copied, with
zeros around it. No buffer is larger than a strip.

The derivative by the image is such a product, too: of maps and the kernel with its axes reversed. With strides, image
positions that are equal modulo the stride read the same taps: there is a sweep for each such class. Where an image has
so few channels that they would not fill vectors, a position of the maps computes what it adds to a whole row of taps,
which is then added to a row of the image (`spreads`). The derivative by the kernel has the same tables, with rows and
taps exchanged.

3 x 3 convolutions of many channels are left to `winograd`, which multiplies less; few filters (or, back, channels),
which would not fill vectors, to `planar`.

Every element is a sum in an order that depends on shapes alone.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

from cython cimport floating
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from cbackprop.compiled.kernels.gathered_products cimport (
    gather, pack_columns, pack_rows, padded_columns, spread_row,
)
from cbackprop.compiled.kernels.panels cimport TILE_VECTORS, cost_of_columns, lanes, panel_row, panel_width
from cbackprop.compiled.kernels.planar cimport (
    gradient_room, pack_planar, planar_kernel, planar_pays, planar_sweep, plane_width, planes_room,
)
from cbackprop.compiled.kernels.sweeps cimport AXES, Axis, SLACK, Sweep
from cbackprop.compiled.kernels.winograd cimport (
    Tiling, choose_tiles, kernel_room, pack_kernel, tiles_room, winograd, winograd_pays,
)

cdef extern from "../kernels/tile_sizes.h" nogil:
    enum:
        READS_PARTS

cdef enum:
    # A strip has at most so many numbers, if that are several rows, and is read for at most so many positions.
    STRIP_NUMBERS = 32 * 1024
    STRIP_POSITIONS = 512
    # Positions over which the gradient of a kernel is summed before it is written.
    GRADIENT_POSITIONS = 128
    # Maps are not packed for the gradient of a kernel of fewer rows: they are read too seldom.
    LEAST_ROWS_TO_PACK = 48
    # Numbers in the largest vector.
    MOST_LANES = 16
    # What spreading a vector costs, in operations on a vector.
    COST_OF_SPREADING = 24


class Positions(NamedTuple):
    """What `Axis` holds."""

    count: int
    out_begin: int
    out_step: int
    in_begin: int
    in_step: int
    taps: int
    tap_step: int
    kernel_begin: int
    kernel_step: int

    @property
    def length(self) -> int:
        """Numbers of the input from the first one that is read to the last one."""
        return (self.count - 1) * self.in_step + self.reach

    @property
    def reach(self) -> int:
        """Numbers of the input from the first tap of a position to the last one."""
        return max(self.taps - 1, 0) * self.tap_step + 1


cdef class Convolution:
    """Where everything is that the convolution of a sample reads and writes.

    Parameters
    ----------
    image, maps, kernel, stride, dilation, before : tuple of int
        For each axis: sizes, the step from one position to the next, the step from one tap to the next, and how many
        zeros are in front of the image.
    channels, filters, groups : int
    may_spread : bool, default True
        False: back, a sweep computes positions of the image, not what positions of the maps add to it.
    """

    def __cinit__(
        self, tuple image, tuple maps, tuple kernel, tuple stride, tuple dilation, tuple before, Py_ssize_t channels,
        Py_ssize_t filters, Py_ssize_t groups, bint may_spread=True,
    ):
        cdef int axis
        cdef Py_ssize_t i
        if min(*image, *maps, *kernel, *stride, *dilation, channels, filters, groups) < 1 or min(before) < 0:
            raise ValueError("Sizes, strides and channels of a convolution must be at least 1.")
        if channels % groups or filters % groups:
            raise ValueError("Channels and filters must be divisible by the groups.")
        for axis in range(AXES):
            self.image[axis], self.maps[axis], self.kernel[axis] = image[axis], maps[axis], kernel[axis]
            self.stride[axis], self.dilation[axis], self.before[axis] = stride[axis], dilation[axis], before[axis]
        self.channels, self.filters, self.groups = channels, filters, groups
        self.image_size, self.maps_size = math.prod(image) * channels, math.prod(maps) * filters
        self.kernel_rows = math.prod(kernel) * (channels // groups)
        self.tables = []
        taps = math.prod(kernel)
        depth, operations = taps * channels, taps * channels * cost_of_columns(filters, lanes(<float*>NULL)) / 16
        if groups == stride[2] == 1:
            self.planar_forward = planar_pays(maps[2], depth, channels, filters, operations, False)
            self.planar_gradient = planar_pays(maps[2], depth, channels, filters, operations, True)
        self.forward = self.make_sweep([self.forward_axis(axis) for axis in range(AXES)], True, 0, filters // groups)
        self.make_back(may_spread)
        self.make_gradient()
        if self.spreads:
            self.spread_row_size = self.spread_row_numbers()
            self.spread_room = (
                max([self.back[i].rows for i in range(self.n_back)]) * maps[2] * padded(kernel[2] * channels)
                + self.spread_row_size
            )
        sizes = [self.forward.strip_size, *[self.back[i].strip_size for i in range(self.n_back)]]
        self.strip_room = (max(sizes) + 2 * MOST_LANES) // MOST_LANES * MOST_LANES

    def __dealloc__(self):
        free(self.back)

    def forward_axis(self, int axis):
        """All positions of the maps."""
        return Positions(
            self.maps[axis], 0, 1, -self.before[axis], self.stride[axis], self.kernel[axis], self.dilation[axis], 0, 1
        )

    def back_axis(self, int axis, Py_ssize_t remainder):
        """Positions of the image that are `remainder` modulo the stride, counted from the first zero in front of it.

        Position i + before = q stride + remainder reads the taps k with k dilation = t stride + remainder, in the maps
        at q - t. Later taps lie in front.
        """
        cdef Py_ssize_t stride = self.stride[axis], dilation = self.dilation[axis], before = self.before[axis]
        taps = [k for k in range(self.kernel[axis]) if k * dilation % stride == remainder]
        # The first q that is a position of the image, and how many are. Division in C rounds towards zero.
        cdef Py_ssize_t first = (max(before - remainder, 0) + stride - 1) // stride
        cdef Py_ssize_t positions = max((self.image[axis] + before - remainder + stride - 1) // stride - first, 0)
        begin = first * stride + remainder - before
        if not taps:
            return Positions(positions, begin, stride, 0, 1, 0, 1, 0, 1)
        apart = (taps[1] - taps[0]) if len(taps) > 1 else 1
        return Positions(
            positions, begin, stride, first - taps[-1] * dilation // stride, 1, len(taps),
            max(apart * dilation // stride, 1), taps[-1], -apart,
        )

    def back_classes(self, int axis):
        """The classes of image positions that taps reach: one for each remainder, but none that is empty."""
        cdef Py_ssize_t stride = self.stride[axis], dilation = self.dilation[axis], k
        remainders = sorted({k * dilation % stride for k in range(self.kernel[axis])})
        found = [self.back_axis(axis, remainder) for remainder in remainders]
        return [positions for positions in found if positions.count] or [
            self.back_axis(axis, self.before[axis] % stride)
        ]

    def make_back(self, bint may_spread):
        """A sweep for each class of image positions that taps reach; between the others there may be large gaps."""
        cdef Py_ssize_t packed = 0, group = self.filters // self.groups, columns = self.channels // self.groups
        cdef int axis
        classes = [self.back_classes(axis) for axis in range(AXES)]
        self.choose_back(may_spread, classes[2])
        if self.spreads:
            classes[2] = [Positions(self.maps[2], 0, 1, 0, 1, 1, 1, 0, 1)]
            columns *= self.kernel[2]
        for axis in range(AXES - 1 if self.spreads else AXES):
            self.gaps = self.gaps or sum([positions.count for positions in classes[axis]]) < self.image[axis]
        sweeps = math.prod([len(axes) for axes in classes])
        self.back = <Sweep*>calloc(sweeps, sizeof(Sweep))
        if self.back == NULL:
            raise MemoryError(f"A convolution needs memory for {sweeps} classes of positions.")
        for z, y, x in itertools.product(*classes):
            self.back[self.n_back] = self.make_sweep([z, y, x], False, packed, columns)
            packed += z.taps * y.taps * x.taps * group
            self.n_back += 1

    def choose_back(self, bint may_spread, list classes):
        """Whether positions are gathered, spread or planar, whichever takes the least time.

        Each sum is over `filters` numbers for each tap of the first two axes. Spreading it takes as long as some more.
        """
        cdef Py_ssize_t taps = max(self.kernel[0] * self.kernel[1] * self.filters, 1), lane = lanes(<float*>NULL)
        cdef Py_ssize_t positions = max(self.image[2] // self.stride[2], 1)
        cdef Py_ssize_t depth = taps * self.kernel[2] // (self.stride[0] * self.stride[1] * self.stride[2])
        gathered = sum([axis.count * axis.taps for axis in classes]) * cost_of_columns(self.channels, lane) * taps
        spread = self.maps[2] * cost_of_columns(self.kernel[2] * self.channels, lane) * (taps + COST_OF_SPREADING)
        if self.groups > 1 or not may_spread:
            return
        self.spreads = self.dilation[2] == 1 and spread < gathered
        operations = min(gathered, spread) / 16 / self.image[2] / (self.stride[0] * self.stride[1])
        self.planar_back = planar_pays(positions, depth, self.filters, self.channels, operations, False)
        self.spreads = self.spreads and not self.planar_back

    cdef Py_ssize_t spread_row_numbers(self) noexcept:
        """Numbers of a row of the image with everything that positions add, beyond its borders, too."""
        return padded(max(
            (self.maps[2] - 1) * self.stride[2] * self.channels + padded(self.kernel[2] * self.channels),
            (self.before[2] + self.image[2]) * self.channels,
        ))

    cdef Sweep make_sweep(self, list axes, bint forward, Py_ssize_t packed, Py_ssize_t columns) except *:
        cdef Sweep sweep
        cdef int i
        memset(&sweep, 0, sizeof(Sweep))
        for i, axis in enumerate(axes):
            sweep.axes[i] = Axis(
                axis.count, axis.out_begin, axis.out_step, axis.in_begin, axis.in_step, axis.taps, axis.tap_step,
                axis.kernel_begin, axis.kernel_step,
            )
        for i in range(AXES):
            sweep.in_sizes[i] = self.image[i] if forward else self.maps[i]
            sweep.out_sizes[i] = self.maps[i] if forward else self.image[i]
        channels = sweep.in_channels = self.channels if forward else self.filters
        sweep.out_channels = self.filters if forward else self.channels
        z, y, x = axes
        sweep.pads = min([axis.taps for axis in axes]) > 0 and any([
            axis.in_begin < 0 or axis.in_begin + axis.length > size
            for axis, size in zip(axes, sweep.in_sizes, strict=True)
        ])
        # The gradient of the kernel needs all rows of its strips.
        sweep.copies = sweep.pads and (
            forward or z.taps > 1 or z.in_begin < 0 or z.in_begin + z.length > sweep.in_sizes[0]
            or x.in_begin < 0 or x.in_begin + x.length > sweep.in_sizes[2]
        )
        sweep.columns = columns
        sweep.is_row = y.out_step == x.out_step == 1 and x.count == sweep.out_sizes[2]
        planes = max(z.taps, 1)
        fit = (STRIP_NUMBERS // (planes * x.length * channels) - y.reach) // y.in_step + 1
        sweep.rows = max(min(y.count, STRIP_POSITIONS // x.count, fit), 1)
        sweep.strip_rows, sweep.strip_columns = (sweep.rows - 1) * y.in_step + y.reach, x.length
        if sweep.copies:
            width, plane = x.length, sweep.strip_rows * x.length
            sweep.strip_size = planes * plane * channels
        else:
            width, plane = sweep.in_sizes[2], z.tap_step * sweep.in_sizes[1] * sweep.in_sizes[2]
        runs_on = self.groups == 1 and x.tap_step == 1
        sweep.run = (x.taps if runs_on else 1) * (channels // self.groups)
        places = np.add.outer(
            np.add.outer(np.arange(z.taps) * plane, np.arange(y.taps) * y.tap_step * width),
            np.arange(min(x.taps, 1) if runs_on else x.taps) * x.tap_step,
        )
        sweep.n_taps = places.size
        sweep.taps = self.keep(places * channels)
        sweep.at = self.keep(
            np.add.outer(np.arange(sweep.rows) * y.in_step * width, np.arange(x.count) * x.in_step) * channels
        )
        sweep.packed = packed
        sweep.multiplies_less = (
            self.groups == 1 and self.image[0] == self.maps[0] == self.kernel[0] == 1 and z.in_begin == 0
            and y.taps == x.taps == 3
            and y.tap_step == x.tap_step == y.in_step == x.in_step == y.out_step == x.out_step == 1
            and winograd_pays(y.count, x.count, channels, sweep.out_channels)
        )
        sweep.plane_width = plane_width(x.count, x.taps, x.tap_step)
        planes_row = channels * sweep.plane_width
        sweep.plane_at = self.keep(np.add.outer(
            np.add.outer(np.arange(z.taps) * sweep.strip_rows, np.arange(y.taps) * y.tap_step) * planes_row,
            np.arange(channels) * sweep.plane_width,
        ))
        if sweep.multiplies_less:
            sweep.tiling = Tiling(
                sweep.in_sizes[1], sweep.in_sizes[2], channels, y.in_begin, x.in_begin, y.count, x.count,
                sweep.out_channels, 0, 0, NULL,
            )
            choose_tiles(&sweep.tiling)
            sweep.tiling.at = self.keep(np.arange(sweep.tiling.rows * sweep.tiling.columns) * channels)
        return sweep

    def make_gradient(self):
        """Where in a strip each row of the kernel reads for the first position, and each row of positions begins."""
        group = self.channels // self.groups
        cdef const Sweep* sweep = &self.forward
        places = np.array([sweep.taps[i] for i in range(sweep.n_taps)], np.intp)
        if sweep.run > group:
            places = np.add.outer(places, np.arange(self.kernel[2]) * self.channels)
        self.kernel_at = self.keep(np.add.outer(places, np.arange(group)))
        self.lines_at = self.keep([sweep.at[i * self.maps[2]] for i in range(sweep.rows)])
        self.gradient_rows = max(min(GRADIENT_POSITIONS // self.maps[2], sweep.rows), 1)

    cdef const Py_ssize_t* keep(self, table) except? NULL:
        """The address of a table that lives as long as this."""
        cdef const Py_ssize_t[::1] view = np.append(np.ascontiguousarray(table, np.intp).reshape(-1), 0)
        self.tables.append(view)
        return &view[0]

    cdef Py_ssize_t forward_numbers(self) noexcept:
        """Numbers of workspace that `convolve` needs."""
        if self.planar_forward:
            return planes_room(&self.forward) + self.kernel_rows * self.filters
        if self.forward.multiplies_less:
            return kernel_room(&self.forward.tiling) + tiles_room(&self.forward.tiling)
        return self.strip_room + self.groups * self.kernel_rows * padded(self.filters // self.groups)

    cdef Py_ssize_t back_numbers(self) noexcept:
        """Numbers of workspace that `convolve_back` needs."""
        if self.planar_back:
            return max([planes_room(&self.back[i]) for i in range(self.n_back)]) + self.kernel_rows * self.filters
        if self.back[0].multiplies_less:
            return kernel_room(&self.back[0].tiling) + tiles_room(&self.back[0].tiling)
        cdef Py_ssize_t taps = self.kernel[0] * self.kernel[1] * self.kernel[2]
        cdef Py_ssize_t columns = self.channels // self.groups
        if self.spreads:
            taps, columns = taps // self.kernel[2], columns * self.kernel[2]
        return self.strip_room + taps * self.filters * padded(columns) + self.spread_room

    cdef Py_ssize_t kernel_numbers(self) noexcept:
        """Numbers of workspace that `convolve_kernel` needs."""
        if self.planar_gradient:
            return gradient_room(&self.forward, self.kernel_rows)
        cdef Py_ssize_t positions = self.gradient_rows * self.maps[2]
        return self.strip_room + positions * padded(self.filters // self.groups)


cdef inline Py_ssize_t padded(Py_ssize_t columns) noexcept nogil:
    """Room for so many columns of panels."""
    return (columns + MOST_LANES - 1) // MOST_LANES * MOST_LANES


cdef void pack_back(
    Convolution conv, const Sweep* sweep, Py_ssize_t group, const floating* kernel, floating* panels
) noexcept nogil:
    """Panels of the kernel of one group with its axes reversed: rows (tap, filter), columns channels.

    Or, if spread, columns (tap of the last axis, channel), and then zeros in whole vectors.
    """
    cdef Py_ssize_t channels = conv.channels // conv.groups, depth = conv.filters // conv.groups
    cdef Py_ssize_t j = 0, width, row, z, y, x, lane = lanes(panels), columns = computed_columns(conv, sweep, panels)
    cdef Py_ssize_t count, p
    cdef const Axis* axes = sweep.axes
    cdef const floating* tap
    while j < sweep.columns:
        width = panel_width(columns - j, lane, TILE_VECTORS)
        row = panel_row(width, lane)
        count = min(width, sweep.columns - j)
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
                    pack_columns(depth, count, row, tap, conv.filters, panels)
                    if count < width:
                        for p in range(depth):
                            memset(panels + p * row + count, 0, (row - count) * sizeof(floating))
                    panels += depth * row
        j += width


cdef inline Py_ssize_t computed_columns(Convolution conv, const Sweep* sweep, floating* c) noexcept nogil:
    """Numbers that a position computes for a group: if they are spread, whole vectors."""
    return panel_row(sweep.columns, lanes(c)) if conv.spreads and sweep != &conv.forward else sweep.columns


cdef const floating* read_strip(
    const Sweep* sweep, const floating* source, Py_ssize_t z, Py_ssize_t y, Py_ssize_t rows, floating* strip,
) noexcept nogil:
    """Where the input of so many rows of output positions, from (z, y) on, begins: in the source, or in a copy."""
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
    """Which taps along the second axis are inside of the input, for a row of output positions.

    Where there are several along the first axis, all are taken: those of a row do not follow each other.
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
    Convolution conv, const Sweep* sweep, Py_ssize_t z, Py_ssize_t y, Py_ssize_t line, Py_ssize_t rows,
    Py_ssize_t first, Py_ssize_t end, const floating* a, const floating* kernel, Py_ssize_t kernel_row,
    const floating* bias, bint add, floating* out, floating* spread,
) noexcept nogil:
    """Rows of output positions from y on, whose input begins at row `line` of a strip, by the taps first:end.

    If there is room to spread them, what they compute is added to rows of the output.
    """
    cdef const Axis* axes = sweep.axes
    cdef Py_ssize_t inner = computed_columns(conv, sweep, out), columns = axes[2].count, channels = sweep.out_channels
    cdef Py_ssize_t depth = sweep.n_taps * sweep.run, each = sweep.n_taps // max(axes[1].taps, <Py_ssize_t>1)
    cdef Py_ssize_t group, taps = sweep.n_taps if axes[0].taps > 1 else (end - first) * each
    cdef Py_ssize_t panels = depth * padded_columns(inner, out)
    cdef Py_ssize_t row = axes[1].out_begin + y * axes[1].out_step + sweep.out_sizes[1] * (
        axes[0].out_begin + z * axes[0].out_step
    )
    out += channels * (axes[2].out_begin + sweep.out_sizes[2] * row)
    for group in range(conv.groups - 1, -1, -1):
        gather(
            rows * columns, inner, sweep.run, a + group * (sweep.in_channels // conv.groups),
            sweep.at + line * columns, 1, sweep.taps + first * each, taps,
            kernel + group * (inner if kernel_row else panels), kernel_row, first * each * sweep.run, depth,
            NULL if bias == NULL or spread != NULL else bias + group * inner, add and spread == NULL,
            out + group * inner if spread == NULL else spread,
            axes[2].out_step * channels if spread == NULL else inner,
        )
    if spread != NULL:
        spread_lines(conv, rows, columns, inner, axes[1].out_step, spread, bias, add, out)


cdef void spread_lines(
    Convolution conv, Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t width, Py_ssize_t step,
    const floating* values,     # (rows, columns, width) IN: what each position adds
    const floating* bias, bint add,
    floating* out,              # OUT: rows of the image, `step` apart
) noexcept nogil:
    """Rows of the image as sums of what positions of the maps add to them."""
    cdef Py_ssize_t channels = conv.channels, size = conv.image[2] * channels, room = conv.spread_row_size, i, _, x, c
    cdef floating* row = <floating*>values + conv.spread_room - room
    for _ in range(rows):
        memset(row, 0, room * sizeof(floating))
        spread_row(columns, width, values, conv.stride[2] * channels, row)
        values += columns * width
        for i in range(size):
            out[i] = out[i] + row[conv.before[2] * channels + i] if add else row[conv.before[2] * channels + i]
        if bias != NULL:
            for x in range(conv.image[2]):
                for c in range(channels):
                    out[x * channels + c] += bias[c]
        out += step * size


cdef void run_sweep(
    Convolution conv, const Sweep* sweep, const floating* source, const floating* kernel, Py_ssize_t kernel_row,
    const floating* bias, bint add, floating* out, floating* strip, floating* spread,
    Done done, void* layer, const void* batch, Py_ssize_t position,
) noexcept nogil:
    """The output positions of a sweep, of one sample. The kernel lies in panels if kernel_row is 0.

    Rows that read the same taps are computed together, if they follow each other in the output. `done` is told of rows
    while they are in the cache; the first position of the sample has the number `position`.
    """
    cdef const Axis* axes = sweep.axes
    cdef Py_ssize_t z, y, rows, line, count, first, end, next_first, next_end
    cdef const floating* a
    for z in range(axes[0].count):
        y = 0
        while y < axes[1].count:
            rows = min(sweep.rows, axes[1].count - y)
            a = read_strip(sweep, source, z, y, rows, strip)
            line = 0
            while line < rows:
                taps_inside(sweep, y + line, &first, &end)
                count = 1
                while (sweep.is_row or spread != NULL) and line + count < rows:
                    taps_inside(sweep, y + line + count, &next_first, &next_end)
                    if next_first != first or next_end != end:
                        break
                    count += 1
                run_lines(
                    conv, sweep, z, y + line, line, count, first, end, a, kernel, kernel_row, bias, add, out, spread
                )
                line += count
            if done != NULL:
                done(layer, batch, position + (z * axes[1].count + y) * axes[2].count, rows * axes[2].count)
            y += rows


cdef bint packs_kernel(Convolution conv, floating* c) noexcept nogil:
    """Whether the kernel is read in panels: its rows are long, or groups do not fill vectors."""
    cdef Py_ssize_t inner = conv.filters // conv.groups
    return inner > TILE_VECTORS * lanes(c) or (conv.groups > 1 and inner % lanes(c) != 0)


cdef void convolve_by_tiles(
    Convolution conv, const Sweep* sweep, Py_ssize_t samples, const floating* source, Py_ssize_t source_size,
    const floating* kernel, const floating* bias, bint add, floating* out, Py_ssize_t out_size, floating* workspace,
    Done done, void* layer, const void* batch,
) noexcept nogil:
    """A sweep that `winograd` computes, of all samples."""
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
    Done done, void* layer, const void* batch,  # is told so with these, unless it is NULL
) noexcept nogil:
    """maps = image * kernel + bias."""
    cdef Py_ssize_t positions = conv.maps_size // conv.filters
    cdef Py_ssize_t inner = conv.filters // conv.groups, sample, group, row = conv.filters
    cdef floating* strip = <floating*>workspace
    cdef floating* panels = strip + conv.strip_room
    if conv.planar_forward:
        panels = strip + planes_room(&conv.forward)
        pack_planar(&conv.forward, conv.kernel, False, kernel, panels)
        for sample in range(samples):
            planar_sweep(
                &conv.forward, image + sample * conv.image_size, panels, bias, add, maps + sample * conv.maps_size,
                strip,
            )
            if done != NULL:
                done(layer, batch, sample * positions, positions)
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
            maps + sample * conv.maps_size, strip, NULL, done, layer, batch, sample * positions,
        )


cdef void fill_channels(
    Py_ssize_t positions, Py_ssize_t channels,
    const floating* bias,       # (channels,) IN, or NULL
    floating* image,            # (positions, channels) OUT
) noexcept nogil:
    """What positions are that nothing is added to."""
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
    """image = the transposed convolution of maps, + bias: the derivative by the image, given that by the maps."""
    cdef Py_ssize_t sample, i, group, size
    cdef Py_ssize_t width = padded_columns(computed_columns(conv, &conv.back[0], image), image)
    cdef floating* strip = <floating*>workspace
    cdef floating* spread = strip + conv.strip_room
    cdef floating* panels = spread + conv.spread_room
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
    for sample in range(samples):
        if conv.gaps and not add:
            fill_channels(conv.image_size // conv.channels, conv.channels, bias, image + sample * conv.image_size)
        for i in range(conv.n_back):
            sweep = &conv.back[i]
            run_sweep(
                conv, sweep, maps + sample * conv.maps_size, panels + sweep.packed * conv.groups * width, 0,
                bias, add, image + sample * conv.image_size, strip, spread if conv.spreads else NULL, NULL, NULL, NULL,
                0,
            )


cdef void convolve_back_planar(
    Convolution conv, Py_ssize_t samples, const floating* maps, const floating* kernel, const floating* bias, bint add,
    floating* image, floating* workspace,
) noexcept nogil:
    """The same with vectors along positions."""
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


cdef void convolve_kernel(
    Convolution conv, Py_ssize_t samples,
    const floating* image,      # (samples, image, channels) IN
    const floating* maps,       # (samples, maps, filters) IN: the derivative by them
    bint maps_padded,           # so that a vector may be read behind them
    Py_ssize_t begin, Py_ssize_t end,   # rows of the kernel
    bint add,
    floating* gradient,         # (end - begin, filters) OUT
    void* workspace,            # kernel_numbers(), destroyed
) noexcept nogil:
    """The derivative by rows of the kernel: for each, the sum over positions of what it reads there times the maps."""
    cdef const Sweep* sweep = &conv.forward
    cdef const Axis* axes = sweep.axes
    cdef Py_ssize_t _, z, y, rows, row, count, group, inner = conv.filters // conv.groups
    cdef Py_ssize_t depth = conv.channels // conv.groups, columns = conv.maps[2]
    cdef bint packs = (
        packs_kernel(conv, gradient) and (conv.groups > 1 or end - begin >= LEAST_ROWS_TO_PACK)
        or not (maps_padded or READS_PARTS or inner % lanes(gradient) == 0)
    )
    cdef floating* strip = <floating*>workspace
    cdef floating* panels = strip + conv.strip_room
    cdef const floating* a
    cdef const floating* b
    if conv.planar_gradient:
        planar_kernel(
            sweep, samples, image, conv.image_size, maps, conv.maps_size, begin, end, add, gradient, strip
        )
        return
    for _ in range(samples):
        for z in range(axes[0].count):
            y = 0
            while y < axes[1].count:
                rows = min(sweep.rows, axes[1].count - y)
                a = read_strip(sweep, image, z, y, rows, strip)
                row = 0
                while row < rows:
                    count = min(rows - row, conv.gradient_rows)
                    b = maps + ((z * conv.maps[1] + y + row) * columns) * conv.filters
                    for group in range(conv.groups):
                        if packs:
                            pack_rows(count * columns, inner, b + group * inner, conv.filters, panels)
                        gather_gradient(
                            conv, end - begin, inner, count, a + group * depth, begin, row,
                            panels if packs else b + group * inner, 0 if packs else conv.filters, add,
                            gradient + group * inner,
                        )
                    add = True
                    row += count
                y += rows
        image += conv.image_size
        maps += conv.maps_size


cdef inline void gather_gradient(
    Convolution conv, Py_ssize_t kernel_rows, Py_ssize_t columns, Py_ssize_t rows, const floating* a, Py_ssize_t begin,
    Py_ssize_t row, const floating* b, Py_ssize_t b_row, bint add, floating* gradient,
) noexcept nogil:
    """Add to the gradient what some rows of positions give."""
    gather(
        kernel_rows, columns, conv.maps[2], a, conv.kernel_at + begin, conv.forward.axes[2].in_step * conv.channels,
        conv.lines_at + row, rows, b, b_row, 0, rows * conv.maps[2], <const floating*>NULL, add, gradient, conv.filters,
    )


def run(
    Convolution conv not None, str what, floating[::1] image, floating[::1] kernel, floating[::1] maps,
    Py_ssize_t repeat=1, bint add=False,
):
    """Compute the "maps", the "image" or the "kernel" from the two others, as often as `repeat` says.

    Kernel and maps have SLACK numbers more than these, which may be read.

    Raises
    ------
    ValueError
        If an array has another size.
    """
    cdef Py_ssize_t samples = image.shape[0] // conv.image_size, rows = conv.kernel_rows, _
    cdef Py_ssize_t room = max(conv.forward_numbers(), conv.back_numbers(), conv.kernel_numbers())
    cdef unsigned char[::1] workspace = np.empty(room * sizeof(floating) + 64, np.uint8)
    cdef void* aligned = <void*>((<size_t>&workspace[0] + 63) & ~<size_t>63)
    if (
        samples == 0 or image.shape[0] != samples * conv.image_size
        or maps.shape[0] != samples * conv.maps_size + SLACK or kernel.shape[0] != rows * conv.filters + SLACK
        or what not in ("maps", "image", "kernel")
    ):
        raise ValueError("The arrays do not fit the convolution.")
    cdef int which = ("maps", "image", "kernel").index(what)
    with nogil:
        for _ in range(repeat):
            if which == 0:
                convolve(
                    conv, samples, &image[0], &kernel[0], <const floating*>NULL, add, &maps[0], aligned, NULL, NULL,
                    NULL,
                )
            elif which == 1:
                convolve_back(conv, samples, &maps[0], &kernel[0], <const floating*>NULL, add, &image[0], aligned)
            else:
                convolve_kernel(conv, samples, &image[0], &maps[0], True, 0, rows, add, &kernel[0], aligned)
