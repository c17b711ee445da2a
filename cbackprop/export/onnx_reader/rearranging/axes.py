"""Rules for operators that change the shape."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from cbackprop.export.onnx_reader.inference import BATCH
from cbackprop.export.onnx_reader.open_sizes import Size, quotient, terms, times
from cbackprop.export.onnx_reader.places import Place, place_of
from cbackprop.export.onnx_reader.rearranging.rule import (
    Places,
    RearrangingError,
    Result,
    broadcast,
    changed,
    place_known,
    rearranges,
    shown,
    sizes_of,
    with_shape,
)


@rearranges("Transpose")
def transposed(graph: Any, node: Any, places: Places) -> Result:
    """Reorder the axes of samples."""
    place = place_known(places[0])
    perm = list(node.attribute("perm") or range(place.rank)[::-1])
    shape = place.sizes
    to = place_of([shape[axis] for axis in perm], perm.index(place.axis), place.before, place.behind)
    order = [0, *(own for axis in perm for own in place.axes(axis))]
    if order == sorted(order):
        return [changed(node, node.inputs[0], operator="Identity")], [to]
    return [changed(node, node.inputs[0], perm=order)], [to]


@rearranges("Reshape")
def reshaped(graph: Any, node: Any, places: Places) -> Result:
    """Reshape samples. The batch must stay within one axis."""
    place = place_known(places[0])
    sizes = sizes_of(graph, node.inputs[1])
    if not node.attribute("allowzero"):
        if any(size == 0 and axis >= place.rank for axis, size in enumerate(sizes)):
            raise RearrangingError("its shape copies axes that do not exist")
        sizes = [place.shape(graph.batch)[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    return _to_shape(graph, node, place, sizes)


@rearranges("Flatten")
def flattened(graph: Any, node: Any, places: Places) -> Result:
    """Flatten samples to rows."""
    place = place_known(places[0])
    axis = node.attribute("axis")
    axis = axis + place.rank if axis < 0 else axis
    whole = place.shape(graph.batch)
    return _to_shape(graph, node, place, [times(whole[:axis]), times(whole[axis:])])


def _to_shape(graph: Any, node: Any, place: Place, sizes: list[Size]) -> Result:
    """Reshape to these sizes. One of them may be -1."""
    total = times(place.shape(graph.batch))
    missing = quotient(total, times(size for size in sizes if size != -1))
    if sizes.count(-1) > 1 or missing is None:
        raise RearrangingError(
            f"values of shape {shown(place.shape(graph.batch))} cannot have the shape {shown(sizes)}"
        )
    found = [missing if size == -1 else size for size in sizes]
    axes = [axis for axis, size in enumerate(found) if graph.batch is not None or BATCH in terms(size).names]
    if graph.batch is None and len(axes) != 1:
        raise RearrangingError(f"none of the axes of its shape {shown(found)} holds the batch")
    to = _fitting(place, found, axes)
    return [with_shape(graph, node, place, to)], [to]


def _fitting(place: Place, sizes: list[Size], axes: list[int]) -> Place:
    """A place with as many elements before and behind the batch. If possible, the batch gets its own axis."""
    found = []
    for axis in axes:
        before = quotient(place.outer, times(sizes[:axis]))
        behind = quotient(place.inner, times(sizes[axis + 1 :]))
        if before is not None and behind is not None:
            found.append(place_of(sizes, axis, before, behind))
    if not found:
        raise RearrangingError(f"its shape {shown(sizes)} puts elements of several samples into one axis")
    return min(found, key=lambda to: (len(to.factors), terms(times(to.factors)).factor))


@rearranges("Unsqueeze")
def unsqueezed(graph: Any, node: Any, places: Places) -> Result:
    """Add axes of length 1."""
    place = place_known(places[0])
    given = [int(axis) for axis in graph.constant_input(node, 1).ravel()]
    rank = place.rank + len(given)
    axes = {axis + rank if axis < 0 else axis for axis in given}
    old = iter(range(place.rank))
    order = [None if axis in axes else next(old) for axis in range(rank)]
    shape = [1 if axis is None else place.sizes[axis] for axis in order]
    to = place_of(shape, order.index(place.axis), place.before, place.behind)
    return [with_shape(graph, node, place, to)], [to]


@rearranges("Squeeze")
def squeezed(graph: Any, node: Any, places: Places) -> Result:
    """Remove axes of length 1 other than the batch."""
    place = place_known(places[0])
    shape = place.sizes
    if len(node.inputs) > 1:
        given = [int(axis) for axis in graph.constant_input(node, 1).ravel()]
        axes = {axis + place.rank if axis < 0 else axis for axis in given}
    else:
        axes = {axis for axis, size in enumerate(shape) if size == 1 and axis != place.axis}
    if place.axis in axes or any(shape[axis] != 1 for axis in axes):
        raise RearrangingError("it removes the axis of the batch, or one that is longer than 1")
    rest = [axis for axis in range(place.rank) if axis not in axes]
    to = place_of([shape[axis] for axis in rest], rest.index(place.axis), place.before, place.behind)
    return [with_shape(graph, node, place, to)], [to]


@rearranges("Expand")
def expanded(graph: Any, node: Any, places: Places) -> Result:
    """Repeat axes of length 1, and add new axes in front."""
    place, sizes = place_known(places[0]), sizes_of(graph, node.inputs[1])
    wide = place.wider(max(len(sizes) - place.rank, 0))
    wanted: list[Size] = [1] * (wide.rank - len(sizes)) + sizes
    if wanted[wide.axis] not in (1, wide.shape(graph.batch)[wide.axis]):
        raise RearrangingError("it repeats samples")
    wanted[wide.axis] = 1
    to = place_of(broadcast([wanted, wide.ones]), wide.axis, place.before, place.behind)
    if any(not isinstance(new, int) and new != old for new, old in zip(to.sample, wide.sample, strict=True)):
        raise RearrangingError("it repeats an axis, and how often is an open size")
    made, source = [], node.inputs[0]
    if wide.sample != place.sample:
        made.append(dataclasses.replace(with_shape(graph, node, place, wide), outputs=[f"{node.outputs[0]}/wide"]))
        source = made[0].outputs[0]
    if to.sample == wide.sample:
        return [*made, changed(node, source, operator="Identity")], [to]
    constant = np.array([1, *(size if isinstance(size, int) else 1 for size in to.sample)], np.int64)
    return [*made, changed(node, source, graph.new_constant(f"{node.name}/shape", constant))], [to]
