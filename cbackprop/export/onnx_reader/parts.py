"""Read operators that take parts of values, repeat them, or reduce a short axis. All are made of slices."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from cbackprop import layers
from cbackprop.export.onnx_reader.builder import Builder, UnreadableError, length_of, positive, reads, sample_shape
from cbackprop.export.onnx_reader.folding import whole_slice
from cbackprop.export.onnx_reader.graph import Node
from cbackprop.export.onnx_reader.pooling import global_pooling_of
from cbackprop.export.onnx_reader.resizing import cropped
from cbackprop.tensor import KerasTensor

__all__ = ["mean_along", "stretched"]

# The most parts into which an axis is cut to repeat or reduce it.
MOST_PARTS = 64
WHOLE = slice(None)
REDUCTIONS = {
    "ReduceSum": layers.Add,
    "ReduceMean": layers.Average,
    "ReduceMax": layers.Maximum,
    "ReduceMin": layers.Minimum,
    "ReduceProd": layers.Multiply,
}


def part_of(builder: Builder, node: Node, x: KerasTensor, axis: int, part: Any) -> KerasTensor:
    """A slice of an axis, or one element of it."""
    if isinstance(part, slice) and is_whole(part, x.shape[axis]):
        return x
    return builder.apply(node, layers.GetItem, x, (*[WHOLE] * axis, part))


def is_whole(part: slice, size: int | None) -> bool:
    """Whether a slice takes all of an axis, in order."""
    if size is None:
        return part.start in (None, 0) and part.stop is None and part.step in (None, 1)
    return range(*part.indices(size)) == range(size)


def is_turned(x: KerasTensor, key: list[Any]) -> bool:
    """Whether a value is another one with an axis reversed, and the key reverses it again."""
    if x.node is None or not isinstance(x.node.layer, layers.GetItem):
        return False
    before = x.node.layer.entries_of(x.ndim)
    pairs = [
        (first, second, size)
        for first, second, size in zip(before, key[1:], x.shape[1:], strict=False)
        if not (isinstance(first, slice) and is_whole(first, size) and is_whole(second, size))
    ]
    return len(before) == x.ndim - 1 and all(is_reverse(a, size) and is_reverse(b, size) for a, b, size in pairs)


def is_reverse(part: Any, size: int | None) -> bool:
    """Whether a slice takes all of an axis in reverse order."""
    if not isinstance(part, slice) or part.step != -1:
        return False
    if size is None:
        return part.start is None and part.stop is None
    return range(*part.indices(size)) == range(size)[::-1]


def open_slice(start: int, end: int, step: int) -> slice:
    """Convert a slice of an axis of open size from ONNX to Python.

    Raises
    ------
    UnreadableError
        If the two differ for some sizes.
    """
    if step > 0:
        return slice(start, None if end >= 2**31 - 1 else end, step)
    if step < 0 and (start == -1 or start >= 2**31 - 1) and end <= -(2**31) + 1:
        return slice(None, None, step)
    raise UnreadableError(f"it takes a slice from {start} to {end} in steps of {step} of an axis of open size")


@reads("Slice")
def cut(builder: Builder, node: Node) -> KerasTensor:
    """A slice of some axes."""
    x = builder.tensor(node.inputs[0])
    starts, ends = builder.constant(node, 1).ravel(), builder.constant(node, 2).ravel()
    axes, steps = (builder.optional(node, position) for position in (3, 4))
    along = list(range(len(starts))) if axes is None else [int(axis) for axis in axes.ravel()]
    along = [axis + x.ndim if axis < 0 else axis for axis in along]
    by = [1] * len(starts) if steps is None else [int(step) for step in steps.ravel()]
    if len(set(along)) != len(along):
        raise UnreadableError(f"it slices axes {along}, one of them twice")
    key: list[Any] = [WHOLE] * x.ndim
    for axis, start, end, step in zip(along, starts, ends, by, strict=True):
        if axis == 0 and (int(start), step) == (0, 1) and int(end) >= 2**31 - 1:
            continue
        size = x.shape[positive(axis, x.ndim)]
        limits = int(start), int(end), step
        key[axis] = open_slice(*limits) if size is None else whole_slice(*limits, size)
    if all(is_whole(part, size) for part, size in zip(key[1:], x.shape[1:], strict=True)):
        return x
    if is_turned(x, key):
        assert x.node is not None
        return x.node.inputs[0]
    part = None if None in x.shape[1:] else cropped(builder, node, x, key[1:])
    return builder.apply(node, layers.GetItem, x, tuple(key)) if part is None else part


@reads("Split")
def split(builder: Builder, node: Node) -> list[KerasTensor]:
    """Split an axis into parts."""
    x = builder.tensor(node.inputs[0])
    axis = positive(node.attribute("axis"), x.ndim)
    size, given, count = length_of(x, axis), builder.optional(node, 1), len(node.outputs)
    if given is None:
        chunk = math.ceil(size / count)
        sizes = [min(chunk, size - chunk * index) for index in range(count)]
        if builder.graph.opset < 18 and size % count:
            raise UnreadableError(f"{size} elements cannot be divided into {count} equal parts")
    else:
        sizes = [int(length) for length in given.ravel()]
    if min(sizes) < 1 or sum(sizes) != size or len(sizes) != count:
        raise UnreadableError(f"parts of sizes {sizes} do not add up to {size} elements")
    ends = np.cumsum(sizes)
    return [
        part_of(builder, node, x, axis, slice(int(end) - length, int(end)))
        for length, end in zip(sizes, ends, strict=True)
    ]


@reads("Gather")
def gather(builder: Builder, node: Node) -> KerasTensor:
    """Take one element of an axis, or several."""
    if builder.graph.is_constant(node.inputs[0]):
        raise UnreadableError("it looks up rows of a constant, but the numbers may not be valid row numbers")
    x, indices = builder.tensor(node.inputs[0]), builder.constant(node, 1)
    axis = positive(node.attribute("axis"), x.ndim)
    shape = (*x.shape[1:axis], *indices.shape, *x.shape[axis + 1 :])
    if x.shape[axis] is None and indices.size == 1:
        return builder.reshaped(node, part_of(builder, node, x, axis, int(indices.ravel()[0])), shape)
    size = length_of(x, axis)
    if indices.size == 0 or not all(-size <= int(index) < size for index in indices.ravel()):
        raise UnreadableError(f"it takes elements that do not exist from an axis of {size}")
    positions = [int(index) % size for index in indices.ravel()]
    if size == 1 and len(positions) == 1:
        return builder.reshaped(node, x, shape)
    taken = _taken(builder, node, x, axis, positions)
    return builder.reshaped(node, taken, shape)


def _taken(builder: Builder, node: Node, x: KerasTensor, axis: int, positions: list[int]) -> KerasTensor:
    """Take these elements of an axis; with one slice if they are evenly spaced."""
    steps = {b - a for a, b in itertools.pairwise(positions)}
    if len(steps) < 2 and steps != {0}:
        step = steps.pop() if steps else 1
        end = positions[-1] + (1 if step > 0 else -1)
        return part_of(builder, node, x, axis, slice(positions[0], None if end < 0 else end, step))
    if len(positions) > MOST_PARTS:
        raise UnreadableError(f"it takes {len(positions)} elements that are not evenly spaced")
    parts = [part_of(builder, node, x, axis, slice(position, position + 1)) for position in positions]
    return builder.apply(node, layers.Concatenate, parts, axis)


@reads("Expand")
def expand(builder: Builder, node: Node) -> KerasTensor:
    """Repeat axes of length 1."""
    x, shape = builder.tensor(node.inputs[0]), [int(size) for size in builder.constant(node, 1).ravel()]
    if len(shape) > x.ndim or (len(shape) == x.ndim and shape[0] not in (1, builder.batch)):
        raise UnreadableError(f"the shape {shape} does not keep the batch as the first axis")
    if any(size < 1 for size in shape):
        raise UnreadableError("its result would have no elements")
    return stretched(builder, node, x, tuple(shape[1:] if len(shape) == x.ndim else shape))


def stretched(builder: Builder, node: Node, x: KerasTensor, shape: tuple[int, ...]) -> KerasTensor:
    """Repeat axes of length 1 of `x` where needed, so that a value of this shape broadcasts to it."""
    own = x.shape[1:]
    if all(size == 1 for size in shape):
        return x
    if len(shape) == len(own) + 1 and shape[0] == 1:  # the first axis is the batch
        shape = shape[1:]
    if len(shape) > len(own):
        return x
    wanted = [1] * (len(own) - len(shape)) + list(shape)
    if None in own and all(a != 1 or b == 1 for a, b in zip(own, wanted, strict=True)):
        return x
    own = sample_shape(x)
    grown = [b if a == 1 else a for a, b in zip(own, wanted, strict=True)]
    if max(math.prod(grown), 1) > max(math.prod(own), 1) * MOST_PARTS:
        raise UnreadableError(f"values of shape {x.shape} would be repeated too often to get the shape {tuple(grown)}")
    for axis, (size, length) in enumerate(zip(own, grown, strict=True), 1):
        if size != length:
            x = builder.apply(node, layers.Concatenate, [x] * length, axis)
    return x


@reads(*REDUCTIONS)
def reduction(builder: Builder, node: Node) -> KerasTensor:
    """Sum, mean or maximum: by pooling if all axes but channels are reduced; along short axes, by merging slices."""
    x, given = builder.tensor(node.inputs[0]), builder.optional(node, 1)
    if given is None or given.size == 0:
        if given is not None and node.attribute("noop_with_empty_axes"):
            return x
        raise UnreadableError("without axes it mixes the samples of a batch")
    axes = sorted({positive(int(axis), x.ndim) for axis in given.ravel()})
    pooled = global_pooling_of(builder, node, x, axes, bool(node.attribute("keepdims")))
    if pooled is not None:
        return pooled
    dropped = [size for axis, size in enumerate(x.shape[1:], 1) if axis not in axes]
    x = along(builder, node, x, axes, REDUCTIONS[node.operator])
    if node.attribute("keepdims"):
        return x
    if dropped.count(None) < 2:
        return builder.reshaped(node, x, dropped)
    for axis in axes[::-1]:  # Reshape cannot remove the axes if several sizes are open
        x = part_of(builder, node, x, axis, 0)
    return x


def mean_along(builder: Builder, node: Node, x: KerasTensor, axes: list[int]) -> KerasTensor:
    """The mean along short axes, which get length 1."""
    return along(builder, node, x, axes, layers.Average)


def along(builder: Builder, node: Node, x: KerasTensor, axes: list[int], layer: Any) -> KerasTensor:
    """Reduce short axes: a merging layer combines their elements."""
    for axis in axes:
        size = length_of(x, axis)
        if size > MOST_PARTS:
            raise UnreadableError(f"it reduces an axis of {size} elements, but at most {MOST_PARTS} are supported")
        if size > 1:
            parts = [part_of(builder, node, x, axis, slice(position, position + 1)) for position in range(size)]
            x = builder.apply(node, layer, parts)
    return x
