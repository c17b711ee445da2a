"""The geometry of a convolution: positions, taps and strips, and which algorithm is the fastest.

An image is (depth, height, width, channels); lower ranks have sizes of 1 in front. Its maps, the result, are
(depth, height, width, filters). The kernel is (depth, height, width, channels of a group, filters). `convolution` reads
these numbers inside a step, and explains them. The code here need not be fast.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

from libc.stdlib cimport calloc, free
from cython cimport floating
from libc.string cimport memcpy, memset

from cbackprop.compiled.kernels.gathered_products cimport cost_of_floats
from cbackprop.compiled.kernels.planar cimport (
    gradient_room, planar_cost, planar_pays, plane_width, planes_room, tiles_cost,
)
from cbackprop.compiled.kernels.stretched cimport stretched_gradient_room, stretched_pays, stretched_room
from cbackprop.compiled.kernels.sweeps cimport AXES, Axis, SLACK, Stretching, Sweep
from cbackprop.compiled.kernels.winograd cimport Tiling, choose_tiles, kernel_room, tiles_room, winograd_pays

from cbackprop.contract.convolution import Geometry, reaching

cdef enum:
    # The most numbers of a strip (unless that is less than some rows), and the most positions that read it.
    STRIP_NUMBERS = 32 * 1024
    STRIP_POSITIONS = 512
    # The number of positions over which the gradient of a kernel is summed before it is written. If a sample has few
    # positions, it is summed over so many of several samples (where a sample has 25 or more, that gains nothing), but
    # only as long as the strips have no more than so many numbers.
    GRADIENT_POSITIONS = 128
    SHARED_POSITIONS = 96
    SHARED_NUMBERS = 64 * 1024
    # Samples of one line that are computed together at most. Threads have multiples of so many, if they have many.
    MOST_TOGETHER = 16
    # Numbers in the largest vector.
    MOST_LANES = 16
    # The most numbers of a stretched image that are written at a time, unless that is too few rows.
    STRETCHED_NUMBERS = 8 * 1024
    STRETCHED_ROWS = 24
    # The cost of spreading a vector, in operations on a vector. With 20, image positions would be gathered for 8 to 40
    # channels, 4 x 4, strides of 2. That takes 2.2 times as long on an Emerald Rapids with AVX-512.
    COST_OF_SPREADING = 11


cdef inline Py_ssize_t padded(Py_ssize_t columns) noexcept nogil:
    """The number of columns, rounded up to whole panels."""
    return (columns + MOST_LANES - 1) // MOST_LANES * MOST_LANES


class Positions(NamedTuple):
    """The fields of an `Axis`."""

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
        """The extent of the input that is read: from the first number to the last one."""
        return (self.count - 1) * self.in_step + self.reach

    @property
    def reach(self) -> int:
        """The extent of one position's input: from its first tap to the last one."""
        return max(self.taps - 1, 0) * self.tap_step + 1


cdef class Convolution:
    """The geometry of the convolution of a sample.

    Taps that read only zeros are left out, here and in all code that uses this. So strips are not longer for distant
    taps.

    Parameters
    ----------
    image, maps, kernel, stride, dilation, before : tuple of int
        For each axis: sizes, the step from one position to the next, the step from one tap to the next, and how many
        zeros are in front of the image.
    channels, filters, groups : int
    may_spread : bool, default True
        If False, backward sweeps compute positions of the image, never contributions of positions of the maps.
    may_join : bool, default True
        If False, samples of few positions are not computed together.
    """

    def __cinit__(
        self, tuple image, tuple maps, tuple kernel, tuple stride, tuple dilation, tuple before, Py_ssize_t channels,
        Py_ssize_t filters, Py_ssize_t groups, bint may_spread=True, bint may_join=True,
    ):
        cdef int axis
        cdef Py_ssize_t i
        if min(*image, *maps, *kernel, *stride, *dilation, channels, filters, groups) < 1 or min(before) < 0:
            raise ValueError("Sizes, strides and channels of a convolution must be at least 1.")
        if channels % groups or filters % groups:
            raise ValueError("Channels and filters must be divisible by the groups.")
        whole = Geometry(image, maps, kernel, stride, dilation, before, channels, filters, groups)
        found, parts = reaching(whole)
        kernel, dilation, before = found.kernel, found.dilation, found.before
        for axis in range(AXES):
            self.image[axis], self.maps[axis], self.kernel[axis] = image[axis], maps[axis], kernel[axis]
            self.stride[axis], self.dilation[axis], self.before[axis] = stride[axis], dilation[axis], before[axis]
        self.channels, self.filters, self.groups = channels, filters, groups
        self.image_size, self.maps_size = math.prod(image) * channels, math.prod(maps) * filters
        self.kernel_rows = math.prod(kernel) * (channels // groups)
        self.tables = []
        self.layer_taps = math.prod(whole.kernel)
        if found != whole:
            self.leave_out_taps(whole.kernel, parts)
        self.forward = self.make_sweep([self.forward_axis(axis) for axis in range(AXES)], True, 0, filters // groups)
        if groups == 1:
            self.make_stretching()
            self.planar_forward, self.stretched_forward = self.choose_forward(False)
            self.planar_gradient, self.stretched_gradient = self.choose_forward(True)
        self.make_back(may_spread)
        self.make_gradient()
        if self.abuts:
            self.spread_room = padded(kernel[2] * channels)
        elif self.spreads:
            rows = max([self.back[i].rows for i in range(self.n_back)])
            self.spread_room = padded(rows * maps[2] * kernel[2] * channels) + MOST_LANES
        sizes = [self.forward.strip_size, *[self.back[i].strip_size for i in range(self.n_back)]]
        self.strip_room = (max(sizes) + 2 * MOST_LANES) // MOST_LANES * MOST_LANES
        if may_join:
            self.make_together(whole, may_spread)

    def __dealloc__(self):
        free(self.back)

    cdef int leave_out_taps(self, tuple kernel, tuple parts) except -1:
        """The places in the layer's kernel of the taps that reach the image."""
        self.taps_at = self.keep(np.arange(math.prod(kernel)).reshape(kernel)[parts])
        numbers = self.kernel_rows * self.filters
        self.taps_room = (numbers + 2 * SLACK - 1) // SLACK * SLACK

    cdef object forward_axis(self, int axis):
        """All positions of the maps."""
        return Positions(
            self.maps[axis], 0, 1, -self.before[axis], self.stride[axis], self.kernel[axis], self.dilation[axis], 0, 1
        )

    cdef object back_axis(self, int axis, Py_ssize_t remainder):
        """The image positions that are `remainder` modulo the stride, counted from the first zero in front of the
        image.

        Position i + before = q stride + remainder reads the taps k with k dilation = t stride + remainder, in the maps
        at q - t. Later taps come first.
        """
        cdef Py_ssize_t stride = self.stride[axis], dilation = self.dilation[axis], before = self.before[axis]
        taps = [k for k in range(self.kernel[axis]) if k * dilation % stride == remainder]
        # The first q that is a position of the image, and the number of positions. C division rounds towards zero.
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

    cdef list back_classes(self, int axis):
        """The classes of image positions that taps reach: one for each remainder, without empty ones."""
        cdef Py_ssize_t stride = self.stride[axis], dilation = self.dilation[axis], k
        remainders = sorted({k * dilation % stride for k in range(self.kernel[axis])})
        found = [self.back_axis(axis, remainder) for remainder in remainders]
        return [positions for positions in found if positions.count] or [
            self.back_axis(axis, max(self.before[axis], 0) % stride)
        ]

    cdef tuple choose_forward(self, bint gradient):
        """Whether the maps, or the gradient of the kernel, are computed planar or stretched: the fastest way."""
        cdef Py_ssize_t depth = self.kernel_rows
        cdef double operations = depth * cost_of_floats(self.filters) / 16.0
        cdef double cost = tiles_cost(operations)
        cdef bint planar = self.stride[2] == 1 and planar_pays(
            self.maps[2], depth, self.channels, self.filters, operations, gradient
        )
        if planar:
            cost = planar_cost(self.maps[2], depth, self.channels, self.filters, gradient)
        stretched = stretched_pays(&self.forward, cost)
        return planar and not stretched, stretched

    cdef int make_back(self, bint may_spread) except -1:
        """A sweep for each class of image positions that taps reach. Between these there may be large gaps."""
        cdef Py_ssize_t packed = 0, group = self.filters // self.groups, columns = self.channels // self.groups
        cdef int axis
        classes = [self.back_classes(axis) for axis in range(AXES)]
        self.choose_back(may_spread, classes[2])
        if self.spreads:
            classes[2] = [Positions(self.maps[2], 0, self.stride[2] if self.abuts else 1, 0, 1, 1, 1, 0, 1)]
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

    cdef int choose_back(self, bint may_spread, list classes) except -1:
        """Whether positions are gathered, spread or planar: the fastest way.

        Each sum is over `filters` numbers for each tap of the first two axes. Spreading costs some more operations,
        unless each number of a row is read by exactly one tap: then there is nothing to add.
        """
        cdef bint abuts = self.before[2] == 0 and self.kernel[2] == self.stride[2] > 1 and (
            self.image[2] == self.maps[2] * self.stride[2]
        )
        cdef Py_ssize_t taps = max(self.kernel[0] * self.kernel[1] * self.filters, 1)
        cdef Py_ssize_t positions = max(self.image[2] // self.stride[2], 1)
        cdef Py_ssize_t depth = taps * self.kernel[2] // (self.stride[0] * self.stride[1] * self.stride[2])
        gathered = sum([axis.count * axis.taps for axis in classes]) * cost_of_floats(self.channels) * taps
        adding = 0 if abuts else COST_OF_SPREADING
        spread = self.maps[2] * cost_of_floats(self.kernel[2] * self.channels) * (taps + adding)
        if self.groups > 1 or not may_spread:
            return 0
        self.spreads = self.dilation[2] == 1 and self.before[2] >= 0 and (
            spread < gathered or abuts and spread == gathered
        )
        operations = min(gathered, spread) / 16 / self.image[2] / (self.stride[0] * self.stride[1])
        self.planar_back = planar_pays(positions, depth, self.filters, self.channels, operations, False)
        self.spreads = self.spreads and not self.planar_back
        self.abuts = self.spreads and abuts

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
        sweep.runs_on = y.out_step == 1 and x.count * x.out_step == sweep.out_sizes[2]
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

    cdef int make_gradient(self) except -1:
        """Where in a strip each row of the kernel reads for the first position, and where each row of positions
        begins."""
        group = self.channels // self.groups
        cdef const Sweep* sweep = &self.forward
        places = np.array([sweep.taps[i] for i in range(sweep.n_taps)], np.intp)
        if sweep.run > group:
            places = np.add.outer(places, np.arange(self.kernel[2]) * self.channels)
        self.kernel_at = self.keep(np.add.outer(places, np.arange(group)))
        self.gradient_rows = max(min(GRADIENT_POSITIONS // self.maps[2], sweep.rows), 1)
        self.gradient_samples = 1
        if self.maps[0] == 1 and sweep.rows == self.maps[1]:
            self.gradient_samples = max(
                min(SHARED_POSITIONS // (self.maps[1] * self.maps[2]), SHARED_NUMBERS // max(sweep.strip_size, 1)), 1
            )
        self.gradient_step = sweep.strip_size if sweep.copies else self.image_size
        lines = [sweep.at[i * self.maps[2]] for i in range(sweep.rows)]
        self.lines_at = self.keep(np.add.outer(np.arange(self.gradient_samples) * self.gradient_step, lines))

    cdef int make_stretching(self) except -1:
        """Where taps read in a stretched image, and how many of its rows are written at a time.

        Taps of the second axis read the same lines if they are as far apart as rows of positions.
        """
        cdef Sweep* sweep = &self.forward
        cdef Stretching* to = &sweep.stretching
        cdef const Axis* z = &sweep.axes[0]
        cdef const Axis* y = &sweep.axes[1]
        cdef const Axis* x = &sweep.axes[2]
        shares = y.taps == 1 or y.tap_step == y.in_step
        steps = np.arange(x.taps) * x.tap_step
        to.classes = min(x.in_step, int(steps[-1]) + 1)
        to.positions = x.count + steps[-1] // x.in_step
        to.width = to.positions * self.filters + MOST_LANES
        line, reach = self.channels * to.classes * to.width, (y.taps - 1) * y.tap_step + 1
        fit = (STRETCHED_NUMBERS // (z.taps * line) - reach) // y.in_step + 1
        rows = min(max(fit, STRETCHED_ROWS), y.count)
        to.rows = -(-y.count // -(-y.count // rows))
        to.lines = (to.rows - 1) * y.in_step + reach
        channels = np.arange(self.channels) * to.classes
        at = np.add.outer(np.arange(z.taps) * to.lines * line, np.arange(1 if shares else y.taps) * y.tap_step * line)
        last = np.add.outer(
            steps % x.in_step * to.width + steps // x.in_step * self.filters, channels * to.width
        )
        rows_of_kernel = np.arange(self.kernel_rows).reshape(z.taps, y.taps, -1)[:, :1 if shares else y.taps]
        to.taps, to.kernel_step = (y.taps if shares else 1), x.taps * self.channels
        to.entries = rows_of_kernel.size
        to.at, to.kernel = self.keep(np.add.outer(at, last)), self.keep(rows_of_kernel)
        return 0

    cdef int make_together(self, object whole, bint may_spread) except -1:
        """Several samples of one line are one image of several lines.

        Products then have more rows, and a gradient is written after longer sums. A pass has the same bits with and
        without others if it is done in the same way.
        """
        cdef Py_ssize_t n = 1
        cdef Convolution found
        while n < MOST_TOGETHER and n * self.maps[2] < GRADIENT_POSITIONS:
            n *= 2
        lines = {sizes[:2] for sizes in (whole.image, whole.maps, whole.kernel)} == {(1, 1)}
        if n == 1 or not lines or whole.before[:2] != (0, 0):
            return 0
        strides = {name: (1, 1, getattr(whole, name)[2]) for name in ("stride", "dilation")}
        found = Convolution(
            *whole._replace(image=(1, n, self.image[2]), maps=(1, n, self.maps[2]), **strides), may_spread, False
        )
        self.together, self.n_together = found, n
        self.joins_forward = (
            self.planar_forward == found.planar_forward and self.stretched_forward == found.stretched_forward
        )
        self.joins_back = self.planar_back == found.planar_back and self.spreads == found.spreads
        return 0

    cdef const Py_ssize_t* keep(self, table) except? NULL:
        """The address of a table, which lives as long as this object."""
        cdef const Py_ssize_t[::1] view = np.append(np.ascontiguousarray(table, np.intp).reshape(-1), 0)
        self.tables.append(view)
        return &view[0]

    cdef Py_ssize_t forward_numbers(self) noexcept:
        """The workspace that `convolve` needs, in numbers."""
        return max(self.forward_alone(), 0 if self.together is None else self.together.forward_alone())

    cdef Py_ssize_t forward_alone(self) noexcept:
        """The same for single samples."""
        if self.stretched_forward:
            packed = (self.kernel_rows + 1) * (self.filters + MOST_LANES)
            return self.taps_room + stretched_room(&self.forward) + packed
        if self.planar_forward:
            return self.taps_room + planes_room(&self.forward) + self.kernel_rows * self.filters
        if self.forward.multiplies_less:
            return self.taps_room + kernel_room(&self.forward.tiling) + tiles_room(&self.forward.tiling)
        return self.taps_room + self.strip_room + self.groups * self.kernel_rows * padded(self.filters // self.groups)

    cdef Py_ssize_t back_numbers(self) noexcept:
        """The workspace that `convolve_back` needs, in numbers."""
        return max(self.back_alone(), 0 if self.together is None else self.together.back_alone())

    cdef Py_ssize_t back_alone(self) noexcept:
        """The same for single samples."""
        if self.planar_back:
            return self.taps_room + self.kernel_rows * self.filters + max(
                [planes_room(&self.back[i]) for i in range(self.n_back)]
            )
        if self.back[0].multiplies_less:
            return self.taps_room + kernel_room(&self.back[0].tiling) + tiles_room(&self.back[0].tiling)
        cdef Py_ssize_t taps = self.kernel[0] * self.kernel[1] * self.kernel[2]
        cdef Py_ssize_t columns = self.channels // self.groups
        if self.spreads:
            taps, columns = taps // self.kernel[2], columns * self.kernel[2]
        return self.taps_room + self.strip_room + taps * self.filters * padded(columns) + self.spread_room

    cdef Py_ssize_t kernel_numbers(self) noexcept:
        """The workspace that `convolve_kernel` needs, in numbers."""
        return max(self.kernel_alone(), 0 if self.together is None else self.together.kernel_alone())

    cdef Py_ssize_t kernel_alone(self) noexcept:
        """The same for single samples."""
        if self.stretched_gradient:
            return self.taps_room + stretched_gradient_room(&self.forward, self.kernel_rows)
        if self.planar_gradient:
            return self.taps_room + gradient_room(&self.forward, self.kernel_rows)
        cdef Py_ssize_t positions = max(self.gradient_rows, self.gradient_samples * self.forward.rows) * self.maps[2]
        return self.taps_room + self.gradient_strips() + positions * padded(self.filters // self.groups)

    cdef Py_ssize_t gradient_strips(self) noexcept nogil:
        """Numbers of the strips of samples that `convolve_kernel` reads together, and of what is read behind them."""
        return (self.forward.strip_size * self.gradient_samples + 2 * MOST_LANES) // MOST_LANES * MOST_LANES


cdef const floating* reaching_taps(
    Convolution conv,
    const floating* kernel,     # (taps of the layer, channels of a group, filters) IN, padded
    void** workspace,           # where it begins: taps_room numbers may be taken from it
) noexcept nogil:
    """The weights of the taps that reach the image, padded. If all do, this is the kernel itself."""
    cdef Py_ssize_t taps = conv.kernel[0] * conv.kernel[1] * conv.kernel[2], row, i
    cdef floating* found = <floating*>workspace[0]
    if conv.taps_at == NULL:
        return kernel
    row = conv.kernel_rows // taps * conv.filters
    for i in range(taps):
        memcpy(found + i * row, kernel + conv.taps_at[i] * row, row * sizeof(floating))
    workspace[0] = found + conv.taps_room
    return found
