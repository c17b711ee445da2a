"""Rules for operators that work along axes: they reduce, join, cut or pick."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cbackprop.export.onnx_reader.places import Place, place_of
from cbackprop.export.onnx_reader.rearranging.rule import (
    Places,
    RearrangingError,
    Result,
    changed,
    length,
    own_axis,
    place_known,
    rearranges,
)


@rearranges("Softmax", "LogSoftmax", "Hardmax", "LpNormalization")
def along_one(graph: Any, node: Any, places: Places) -> Result:
    """Work along one axis, which remains."""
    place = place_known(places[0])
    axis = own_axis(place, node.attribute("axis"))
    # Formulas count the last axis from the end.
    return [changed(node, *node.inputs, axis=-1 if axis == len(place.sample) else axis)], [place]


@rearranges("LayerNormalization", "RMSNormalization")
def along_last(graph: Any, node: Any, places: Places) -> Result:
    """Work along the last axes."""
    place = place_known(places[0])
    axis = node.attribute("axis")
    own = own_axis(place, axis)
    if (axis + place.rank if axis < 0 else axis) < place.axis:
        raise RearrangingError("it works along several axes, and one of them holds the samples of the batch")
    return [changed(node, *node.inputs, axis=own)], [place]


@rearranges("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL2", "ReduceSumSquare")
def reduced(graph: Any, node: Any, places: Places) -> Result:
    """Reduce along axes."""
    place = place_known(places[0])
    if len(node.inputs) < 2:
        raise RearrangingError("without axes it mixes the samples of a batch")
    axes = [int(axis) for axis in graph.constant_input(node, 1).ravel()]
    own = graph.new_constant(f"{node.name}/axes", np.array([own_axis(place, axis) for axis in axes], np.int64))
    axes = [axis + place.rank if axis < 0 else axis for axis in axes]
    keep = bool(node.attribute("keepdims"))
    kept = [axis for axis in range(place.rank) if keep or axis not in axes]
    shape = [1 if axis in axes else place.sizes[axis] for axis in kept]
    to = place_of(shape, kept.index(place.axis), place.before, place.behind)
    return [changed(node, node.inputs[0], own)], [to]


@rearranges("Concat")
def concatenated(graph: Any, node: Any, places: Places) -> Result:
    """Concatenate values."""
    known = [place_known(place) for place in places]
    first, axis = known[0], node.attribute("axis")
    own = own_axis(first, axis)
    axis = axis + first.rank if axis < 0 else axis
    shapes = [list(place.sizes) for place in known]
    total = sum(length(shape[axis]) for shape in shapes)
    if any((place.axis, place.before, place.behind) != (first.axis, first.before, first.behind) for place in known):
        raise RearrangingError("it combines values that have the batch in different axes")
    to = place_of(
        [total if at == axis else size for at, size in enumerate(shapes[0])], first.axis, first.before, first.behind
    )
    return [changed(node, *node.inputs, axis=own)], [to]


@rearranges("Split")
def split(graph: Any, node: Any, places: Places) -> Result:
    """Split a value."""
    place, axis = place_known(places[0]), node.attribute("axis")
    own = own_axis(place, axis)
    axis = axis + place.rank if axis < 0 else axis
    size, count = length(place.sizes[axis]), len(node.outputs)
    if len(node.inputs) > 1 and node.inputs[1]:
        sizes = [int(part) for part in graph.constant_input(node, 1).ravel()]
    else:
        chunk = math.ceil(size / count)
        sizes = [min(chunk, size - chunk * number) for number in range(count)]
    shapes = [[part if at == axis else old for at, old in enumerate(place.sizes)] for part in sizes]
    to = [place_of(shape, place.axis, place.before, place.behind) for shape in shapes]
    return [changed(node, *node.inputs, axis=own)], to


@rearranges("Slice")
def sliced(graph: Any, node: Any, places: Places) -> Result:
    """Take slices of some axes."""
    place = place_known(places[0])
    starts, ends = (graph.constant_input(node, number).ravel() for number in (1, 2))
    given = node.inputs[3] if len(node.inputs) > 3 else ""
    axes = [int(axis) for axis in graph.constants[given].ravel()] if given else list(range(len(starts)))
    steps = graph.constant_input(node, 4).ravel() if len(node.inputs) > 4 else np.ones(len(starts), np.int64)
    shape = list(place.sizes)
    taken = []
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        at = axis + place.rank if axis < 0 else axis
        if at == place.axis and (int(start), int(step)) == (0, 1) and int(end) >= 2**31 - 1:
            continue
        taken.append((own_axis(place, at), int(start), int(end), int(step)))
        if (int(start), int(step)) != (0, 1) or int(end) < 2**31 - 1:
            shape[at] = len(range(length(shape[at]))[int(start) : int(end) : int(step)])
    to = place_of(shape, place.axis, place.before, place.behind)
    own, begin, stop, by = (np.array([entry[number] for entry in taken], np.int64) for number in range(4))
    names = [
        graph.new_constant(f"{node.name}/{name}", array)
        for name, array in (("starts", begin), ("ends", stop), ("axes", own), ("steps", by))
    ]
    return [changed(node, node.inputs[0], *names)], [to]


@rearranges("Gather")
def gathered(graph: Any, node: Any, places: Places) -> Result:
    """Take elements of an axis, or rows of a table."""
    axis = node.attribute("axis")
    if places[0] is None:
        table, place = graph.constants[node.inputs[0]], place_known(places[1])
        if axis not in (0, -table.ndim):
            raise RearrangingError("it looks up along an axis that is not the first one")
        to = Place(place.lead, place.before, place.behind, (*place.tail, *table.shape[1:]))
        return [changed(node, *node.inputs, axis=0)], [to]
    place = places[0]
    own, indices = own_axis(place, axis), graph.constant_input(node, 1)
    axis = axis + place.rank if axis < 0 else axis
    shape = [*place.sizes[:axis], *indices.shape, *place.sizes[axis + 1 :]]
    to_axis = place.axis if axis > place.axis else place.axis - 1 + indices.ndim
    to = place_of(shape, to_axis, place.before, place.behind)
    return [changed(node, *node.inputs, axis=own)], [to]
