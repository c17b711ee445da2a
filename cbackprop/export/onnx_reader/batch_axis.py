"""Rewrite a graph so that the batch is the first axis of all its values.

Each rule takes a node and the places of its inputs (`None` for constants). It returns nodes that compute the same with
the batch first, and the places of the outputs.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.export.onnx_reader.inference import BATCH
from cbackprop.export.onnx_reader.input_axes import DATA_AT, RECURRENT
from cbackprop.export.onnx_reader.open_sizes import Product, Size, quotient, terms, times
from cbackprop.export.onnx_reader.places import Place, place_of

__all__ = ["put_batch_first", "shown"]

Array = NDArray[Any]
Places = list[Place | None]
Result = tuple[list[Any], list[Place]]
Rule = Callable[[Any, Any, Places], Result]
RULES: dict[str, Rule] = {}
# Operators that can move the batch away from the first axis.
MOVERS = ("Transpose", "Reshape", "Flatten", "Unsqueeze")
# Operators that are always rewritten.
NORMALIZED = ("Softmax", *RECURRENT)
ELEMENTWISE = (
    *("Abs", "Add", "And", "Cast", "Ceil", "Celu", "Clip", "Cos", "Div", "Dropout", "Elu", "Equal", "Erf", "Exp"),
    *("Floor", "Gelu", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "Identity", "IsInf", "IsNaN"),
    *("LeakyRelu", "Less", "LessOrEqual", "Log", "Max", "Mean", "Min", "Mish", "Mul", "Neg", "Not", "Or", "PRelu"),
    *("Pow", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Softplus", "Softsign", "Sqrt"),
    *("Sub", "Sum", "Swish", "Tanh", "ThresholdedRelu", "Where", "Xor"),
)


class RearrangingError(ValueError):
    """A node cannot be rewritten to compute each sample by itself."""


def put_batch_first(graph: Any) -> dict[str, Place]:
    """Rewrite a graph so that all values have the batch first. Return the places of those that had it elsewhere."""
    walk = Walk(graph)
    for name in graph.inputs:
        walk.enter(name)
    for node in graph.nodes:
        walk.follow(node)
    graph.nodes = walk.nodes
    graph.bypass_copies()
    return walk.moved


class Walk:
    """The state of rewriting a graph.

    Attributes
    ----------
    moved : dict of str to Place
        Where the batch is in the values that do not have it first.
    nodes : list of Node
        The nodes rewritten so far.
    """

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self.moved: dict[str, Place] = {}
        self.nodes: list[Any] = []
        self._size = BATCH if graph.batch is None else graph.batch

    def enter(self, name: str) -> None:
        """Note where the batch is in an input."""
        shape, axis = self.graph.shapes.get(name, ()), self.graph.batch_axes[name]
        if 0 < axis < len(shape) and None not in shape:
            self._place(name, place_of(shape, axis))

    def follow(self, node: Any) -> None:
        """Rewrite a node if needed, and note where the batch is in its outputs."""
        graph = self.graph
        made = [node]
        if not any(graph.is_constant(name) or graph.is_computed(name) for name in node.outputs):
            places = [self.place(name) for name in node.inputs]
            if any(name in self.moved for name in node.inputs):
                made = self._rewritten(node, places)
            elif self._may_move(node, places):
                made = self._mover(node, places)
            else:
                graph.without_batch(node)
        for one in made:
            for name in filter(None, one.outputs):
                graph.makers[name] = one
                graph.types.setdefault(name, graph.types.get(node.outputs[0], 0))
        self.nodes += made

    def _may_move(self, node: Any, places: Places) -> bool:
        """Whether a node whose inputs have the batch first could have an output that does not."""
        if node.operator in ELEMENTWISE:  # a constant with more axes would add axes in front of the batch
            sizes = [self.graph.constants[name].ndim for name in node.inputs if name in self.graph.constants]
            ranks = [place.rank for place in places if place is not None]
            return bool(sizes and ranks and max(sizes) > max(ranks))
        return node.operator in (*MOVERS, *NORMALIZED) and places[0] is not None

    def _rewritten(self, node: Any, places: Places) -> list[Any]:
        """The nodes that replace one whose inputs do not all have the batch first."""
        try:
            rule = RULES.get(node.operator)
            if rule is None:
                name = next(name for name in node.inputs if name in self.moved)
                raise RearrangingError(
                    f"its input {name!r} does not have the batch as its first axis, and no rule moves it there"
                )
            made, found = rule(self.graph, node, places)
        except (ValueError, IndexError) as error:
            node.problem = str(error)
            return [node]
        for name, place in zip(node.outputs, found, strict=False):
            self._place(name, place)
        return made

    def _mover(self, node: Any, places: Places) -> list[Any]:
        """The nodes that replace one that could move the batch."""
        try:
            made, found = RULES[node.operator](self.graph, node, places)
        except (ValueError, IndexError) as error:
            made, found = [node], []
            node.problem = str(error) if node.operator in RECURRENT else ""
        opens = [size for place in found for size in place.sample if not isinstance(size, int)]
        if found and (not found[0].is_first or node.operator in NORMALIZED or (opens and node.operator == "Reshape")):
            for name, place in zip(node.outputs, found, strict=False):
                self._place(name, place)
            return made
        self.graph.without_batch(node)
        return [node]

    def _place(self, name: str, place: Place) -> None:
        if not name:  # an output that is left out
            return
        if not place.is_first:
            self.moved[name] = place
        self.graph.shapes[name] = (self._size, *place.sample)

    def place(self, name: str) -> Place | None:
        """Where the batch is in a value; `None` for constants and for values of unknown shape."""
        graph = self.graph
        if name in self.moved:
            return self.moved[name]
        shape = graph.shapes.get(name, (None,))
        if not name or graph.is_constant(name) or graph.is_computed(name) or not shape or shape[0] != self._size:
            return None
        return None if None in shape else place_of(shape, 0)


def rearranges(*operators: str) -> Callable[[Rule], Rule]:
    """Decorator: the function is the rule for these operators."""

    def enter(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(operators, rule))
        return rule

    return enter


def _of(place: Place | None) -> Place:
    """The place of an input that must not be a constant."""
    if place is None:
        raise RearrangingError("a constant is combined with a value whose first axis is not the batch")
    return place


def _changed(node: Any, *inputs: str, operator: str | None = None, **attributes: Any) -> Any:
    """A copy of the node with these inputs and attributes."""
    return dataclasses.replace(
        node,
        inputs=list(inputs),
        operator=operator or node.operator,
        attributes=node.attributes | attributes,
        written=node.label.partition(" ")[0],
    )


def _own(place: Place, axis: int) -> int:
    """The number of an axis once the batch is first.

    Raises
    ------
    RearrangingError
        If the batch is in this axis.
    """
    axis = axis + place.rank if axis < 0 else axis
    if axis == place.axis:
        raise RearrangingError(f"it works along axis {axis}, which holds the samples of the batch")
    if not 0 <= axis < place.rank:
        raise RearrangingError(f"there is no axis {axis}")
    return place.axes(axis)[0]


def _sizes(graph: Any, name: str) -> list[Size]:
    """The sizes in a shape, which may be open."""
    if name in graph.constants:
        return [int(size) for size in graph.constants[name].ravel()]
    if name not in graph.sizes:
        raise RearrangingError(graph.why_unknown(name))
    found: list[Size] = [size for size in graph.sizes[name].as_list() if size is not None]
    if len(found) < graph.sizes[name].constant.size:
        raise RearrangingError("its shape is computed by adding open sizes")
    return found


# Axes


@rearranges("Transpose")
def transposed(graph: Any, node: Any, places: Places) -> Result:
    """Reorder the axes of samples."""
    place = _of(places[0])
    perm = list(node.attribute("perm") or range(place.rank)[::-1])
    shape = place.sizes
    to = place_of([shape[axis] for axis in perm], perm.index(place.axis), place.before, place.behind)
    order = [0, *(own for axis in perm for own in place.axes(axis))]
    if order == sorted(order):
        return [_changed(node, node.inputs[0], operator="Identity")], [to]
    return [_changed(node, node.inputs[0], perm=order)], [to]


@rearranges("Reshape")
def reshaped(graph: Any, node: Any, places: Places) -> Result:
    """Reshape samples. The batch must stay within one axis."""
    place = _of(places[0])
    sizes = _sizes(graph, node.inputs[1])
    if not node.attribute("allowzero"):
        if any(size == 0 and axis >= place.rank for axis, size in enumerate(sizes)):
            raise RearrangingError("its shape copies axes that do not exist")
        sizes = [place.shape(graph.batch)[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    return _to_shape(graph, node, place, sizes)


@rearranges("Flatten")
def flattened(graph: Any, node: Any, places: Places) -> Result:
    """Flatten samples to rows."""
    place = _of(places[0])
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
    return [_with_shape(graph, node, place, to)], [to]


def _with_shape(graph: Any, node: Any, place: Place, to: Place) -> Any:
    """A node that reshapes samples from one place to the other."""
    if to.sample == place.sample:
        return _changed(node, node.inputs[0], operator="Identity")
    if sum(not isinstance(size, int) for size in to.sample) > 1:
        raise RearrangingError(f"more than one size of its shape {shown(to.sample)} is open")
    sizes = [0, *(size if isinstance(size, int) else -1 for size in to.sample)]
    shape = graph.new_constant(f"{node.name}/shape", np.array(sizes, np.int64))
    return _changed(node, node.inputs[0], shape, operator="Reshape", allowzero=0)


def shown(sizes: Sequence[Size]) -> str:
    """Sizes as text for a message."""
    texts = [f"{size.factor} * {' * '.join(size.names)}" if isinstance(size, Product) else str(size) for size in sizes]
    return f"({', '.join(texts)})"


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
    place = _of(places[0])
    given = [int(axis) for axis in graph.constant_input(node, 1).ravel()]
    rank = place.rank + len(given)
    axes = {axis + rank if axis < 0 else axis for axis in given}
    old = iter(range(place.rank))
    order = [None if axis in axes else next(old) for axis in range(rank)]
    shape = [1 if axis is None else place.sizes[axis] for axis in order]
    to = place_of(shape, order.index(place.axis), place.before, place.behind)
    return [_with_shape(graph, node, place, to)], [to]


@rearranges("Squeeze")
def squeezed(graph: Any, node: Any, places: Places) -> Result:
    """Remove axes of length 1 other than the batch."""
    place = _of(places[0])
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
    return [_with_shape(graph, node, place, to)], [to]


@rearranges("Expand")
def expanded(graph: Any, node: Any, places: Places) -> Result:
    """Repeat axes of length 1, and add new axes in front."""
    place, sizes = _of(places[0]), _sizes(graph, node.inputs[1])
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
        made.append(dataclasses.replace(_with_shape(graph, node, place, wide), outputs=[f"{node.outputs[0]}/wide"]))
        source = made[0].outputs[0]
    if to.sample == wide.sample:
        return [*made, _changed(node, source, operator="Identity")], [to]
    constant = np.array([1, *(size if isinstance(size, int) else 1 for size in to.sample)], np.int64)
    return [*made, _changed(node, source, graph.new_constant(f"{node.name}/shape", constant))], [to]


def broadcast(shapes: Sequence[Sequence[Size]]) -> tuple[Size, ...]:
    """The shape to which these shapes broadcast."""
    found: list[Size] = [1] * max(map(len, shapes))
    for shape in shapes:
        for axis, size in enumerate(shape[::-1], 1):
            if size != 1 and found[-axis] not in (1, size):
                raise RearrangingError(f"shapes {', '.join(map(shown, shapes))} cannot be broadcast together")
            found[-axis] = size if size != 1 else found[-axis]
    return tuple(found)


# Elements


@rearranges(*ELEMENTWISE)
def elementwise(graph: Any, node: Any, places: Places) -> Result:
    """Combine elements at the same position."""
    known = [place for place in places if place is not None]
    first = known[0]
    if any(
        (place.from_end, place.before, place.behind) != (first.from_end, first.before, first.behind) for place in known
    ):
        raise RearrangingError("it combines values that have the batch in different axes")
    constants = [graph.constants[name].ndim - first.from_end for name in node.inputs if name in graph.constants]
    lead = max(*constants, *(place.axis for place in known), 0)
    made, inputs, shapes = [], [], []
    for name, place in zip(node.inputs, places, strict=True):
        if place is None:
            array = graph.constants.get(name) if name else None
            if name and array is None and not graph.is_computed(name):
                raise RearrangingError(graph.why_unknown(name))
            inputs.append(name if array is None else _constant(graph, name, first))
            shapes.append(() if array is None else _ones_at(array, first))
            continue
        wide = place.wider(lead - place.axis)
        shapes.append(place.ones)
        inputs.append(name)
        if wide.sample != place.sample:
            inputs[-1] = f"{node.outputs[0]}/{len(inputs)}"
            changed = _with_shape(graph, _changed(node, name), place, wide)
            made.append(dataclasses.replace(changed, outputs=[inputs[-1]], copies=False))
    shape = broadcast(shapes)
    to = place_of(shape, len(shape) - first.from_end, first.before, first.behind)
    return [*made, _changed(node, *inputs)], [to]


def _ones_at(array: Array, place: Place) -> tuple[Size, ...]:
    """The shape of a constant, with 1 where the batch is."""
    shape = list(array.shape)
    if len(shape) >= place.from_end:
        shape[-place.from_end] = 1
    return tuple(shape)


def _constant(graph: Any, name: str, place: Place) -> str:
    """Reorder a constant that is combined with values of this place, so that the batch is first; return its name.

    Raises
    ------
    RearrangingError
        If it differs between samples.
    """
    array = graph.constants[name]
    axis = array.ndim - place.from_end
    if graph.repeated.get(name, axis) != axis:
        raise RearrangingError(f"the constant {name!r} is repeated along an axis that is not the batch")
    if axis < 0:
        return name
    shape, size = array.shape, array.shape[axis]
    before, behind = place.before, place.behind
    if size == 1:
        factors: tuple[int, ...] = (1,) * len(place.factors)
        own = array.reshape((*shape[:axis], *factors, *shape[axis + 1 :]))
    elif graph.batch is not None and size == place.shape(graph.batch)[place.axis]:
        parts = length(before), graph.batch, length(behind)
        whole = array.reshape((*shape[:axis], *parts, *shape[axis + 1 :]))
        one = np.take(whole, 0, axis + 1)
        if not np.array_equal(np.broadcast_to(np.expand_dims(one, axis + 1), whole.shape), whole):
            raise RearrangingError(f"the constant {name!r} differs between samples")
        factors = tuple(length(factor) for factor in (before, behind) if factor != 1)
        own = one.reshape((*shape[:axis], *factors, *shape[axis + 1 :]))
    else:
        raise RearrangingError(f"the constant {name!r} of shape {shape} differs between samples")
    return str(graph.new_constant(f"{name}/sample", own))


# Along axes


@rearranges("Softmax", "LogSoftmax", "Hardmax", "LpNormalization")
def along_one(graph: Any, node: Any, places: Places) -> Result:
    """Work along one axis, which remains."""
    place = _of(places[0])
    axis = _own(place, node.attribute("axis"))
    # Formulas count the last axis from the end.
    return [_changed(node, *node.inputs, axis=-1 if axis == len(place.sample) else axis)], [place]


@rearranges("LayerNormalization", "RMSNormalization")
def along_last(graph: Any, node: Any, places: Places) -> Result:
    """Work along the last axes."""
    place = _of(places[0])
    axis = node.attribute("axis")
    own = _own(place, axis)
    if (axis + place.rank if axis < 0 else axis) < place.axis:
        raise RearrangingError("it works along several axes, and one of them holds the samples of the batch")
    return [_changed(node, *node.inputs, axis=own)], [place]


@rearranges("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL2", "ReduceSumSquare")
def reduced(graph: Any, node: Any, places: Places) -> Result:
    """Reduce along axes."""
    place = _of(places[0])
    if len(node.inputs) < 2:
        raise RearrangingError("without axes it mixes the samples of a batch")
    axes = [int(axis) for axis in graph.constant_input(node, 1).ravel()]
    own = graph.new_constant(f"{node.name}/axes", np.array([_own(place, axis) for axis in axes], np.int64))
    axes = [axis + place.rank if axis < 0 else axis for axis in axes]
    keep = bool(node.attribute("keepdims"))
    kept = [axis for axis in range(place.rank) if keep or axis not in axes]
    shape = [1 if axis in axes else place.sizes[axis] for axis in kept]
    to = place_of(shape, kept.index(place.axis), place.before, place.behind)
    return [_changed(node, node.inputs[0], own)], [to]


@rearranges("Concat")
def concatenated(graph: Any, node: Any, places: Places) -> Result:
    """Concatenate values."""
    known = [_of(place) for place in places]
    first, axis = known[0], node.attribute("axis")
    own = _own(first, axis)
    axis = axis + first.rank if axis < 0 else axis
    shapes = [list(place.sizes) for place in known]
    total = sum(length(shape[axis]) for shape in shapes)
    if any((place.axis, place.before, place.behind) != (first.axis, first.before, first.behind) for place in known):
        raise RearrangingError("it combines values that have the batch in different axes")
    to = place_of(
        [total if at == axis else size for at, size in enumerate(shapes[0])], first.axis, first.before, first.behind
    )
    return [_changed(node, *node.inputs, axis=own)], [to]


@rearranges("Split")
def split(graph: Any, node: Any, places: Places) -> Result:
    """Split a value."""
    place, axis = _of(places[0]), node.attribute("axis")
    own = _own(place, axis)
    axis = axis + place.rank if axis < 0 else axis
    size, count = length(place.sizes[axis]), len(node.outputs)
    if len(node.inputs) > 1 and node.inputs[1]:
        sizes = [int(part) for part in graph.constant_input(node, 1).ravel()]
    else:
        chunk = math.ceil(size / count)
        sizes = [min(chunk, size - chunk * number) for number in range(count)]
    shapes = [[part if at == axis else old for at, old in enumerate(place.sizes)] for part in sizes]
    to = [place_of(shape, place.axis, place.before, place.behind) for shape in shapes]
    return [_changed(node, *node.inputs, axis=own)], to


def length(size: Size) -> int:
    """A size that must be known."""
    if not isinstance(size, int):
        raise RearrangingError("it works along an axis of open size")
    return size


@rearranges("Slice")
def sliced(graph: Any, node: Any, places: Places) -> Result:
    """Take slices of some axes."""
    place = _of(places[0])
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
        taken.append((_own(place, at), int(start), int(end), int(step)))
        if (int(start), int(step)) != (0, 1) or int(end) < 2**31 - 1:
            shape[at] = len(range(length(shape[at]))[int(start) : int(end) : int(step)])
    to = place_of(shape, place.axis, place.before, place.behind)
    own, begin, stop, by = (np.array([entry[number] for entry in taken], np.int64) for number in range(4))
    names = [
        graph.new_constant(f"{node.name}/{name}", array)
        for name, array in (("starts", begin), ("ends", stop), ("axes", own), ("steps", by))
    ]
    return [_changed(node, node.inputs[0], *names)], [to]


@rearranges("Gather")
def gathered(graph: Any, node: Any, places: Places) -> Result:
    """Take elements of an axis, or rows of a table."""
    axis = node.attribute("axis")
    if places[0] is None:
        table, place = graph.constants[node.inputs[0]], _of(places[1])
        if axis not in (0, -table.ndim):
            raise RearrangingError("it looks up along an axis that is not the first one")
        to = Place(place.lead, place.before, place.behind, (*place.tail, *table.shape[1:]))
        return [_changed(node, *node.inputs, axis=0)], [to]
    place = places[0]
    own, indices = _own(place, axis), graph.constant_input(node, 1)
    axis = axis + place.rank if axis < 0 else axis
    shape = [*place.sizes[:axis], *indices.shape, *place.sizes[axis + 1 :]]
    to_axis = place.axis if axis > place.axis else place.axis - 1 + indices.ndim
    to = place_of(shape, to_axis, place.before, place.behind)
    return [_changed(node, *node.inputs, axis=own)], [to]


# Products


@rearranges("MatMul")
def multiplied(graph: Any, node: Any, places: Places) -> Result:
    """Multiply the matrices of each sample, or multiply by weights."""
    a, b = places
    if a is None:
        raise RearrangingError("its left operand is a constant")
    if b is None:
        kernel = graph.constants.get(node.inputs[1])
        if kernel is None or kernel.ndim != 2 or a.from_end == 1:
            raise RearrangingError("it mixes the samples of a batch")
        return [node], [Place(a.lead, a.before, a.behind, (*a.tail[:-1], kernel.shape[1]))]
    if min(a.from_end, b.from_end) < 3 or (a.from_end, a.before, a.behind) != (b.from_end, b.before, b.behind):
        raise RearrangingError("it multiplies values that have the batch in different axes, or mixes samples")
    if a.sample[:-2] != b.sample[:-2]:
        raise RearrangingError(
            f"matrix products of shapes {shown(a.sample)} and {shown(b.sample)} per sample are not supported"
        )
    return [node], [Place(a.lead, a.before, a.behind, (*a.tail[:-1], b.tail[-1]))]


@rearranges("Gemm")
def gemm(graph: Any, node: Any, places: Places) -> Result:
    """Multiply rows with weights."""
    place = _of(places[0])
    if node.attribute("transA") or place.from_end != 2 or any(other is not None for other in places[1:]):
        raise RearrangingError("it mixes the samples of a batch")
    kernel = graph.constant_input(node, 1)
    kernel = kernel.T if node.attribute("transB") else kernel
    kernel = kernel * np.asarray(node.attribute("alpha"), kernel.dtype)
    to = Place(place.lead, place.before, place.behind, (kernel.shape[1],))
    output = node.outputs[0]
    with_bias = len(node.inputs) > 2 and bool(node.inputs[2])
    product = dataclasses.replace(
        node,
        operator="MatMul",
        inputs=[node.inputs[0], graph.new_constant(f"{node.name}/kernel", kernel)],
        outputs=[f"{output}/product" if with_bias else output],
        written=node.operator,
        attributes={},
        defaults={},
    )
    if not with_bias:
        return [product], [to]
    bias = graph.constant_input(node, 2)
    if bias.ndim > 2 or bias.size not in (1, kernel.shape[1]):
        raise RearrangingError("its bias differs between samples")
    bias = np.broadcast_to(bias.ravel() * np.asarray(node.attribute("beta"), bias.dtype), kernel.shape[1:])
    name = graph.new_constant(f"{node.name}/bias", bias)
    added = dataclasses.replace(product, operator="Add", inputs=[product.outputs[0], name], outputs=[output])
    return [product, added], [to]


@rearranges(*RECURRENT)
def recurrent(graph: Any, node: Any, places: Places) -> Result:
    """Recurrent operators: the batch is behind the steps and directions, or first."""
    layout = bool(node.attribute("layout"))
    for name, place, axis in zip(node.inputs, places, DATA_AT[layout], strict=False):
        if place is not None and axis is not None and (place.axis != axis or not place.is_plain):
            raise RearrangingError(f"axis {axis} of its input {name!r} should be the batch, but is not")
    x, weights = _of(places[0]), graph.constant_input(node, 2)
    steps = x.sample[0]
    directions, units = weights.shape[0], weights.shape[-1]
    if layout:
        return [node], [Place((), 1, 1, (steps, directions, units)), *[Place((), 1, 1, (directions, units))] * 2]
    return [node], [Place((steps, directions), 1, 1, (units,)), *[Place((directions,), 1, 1, (units,))] * 2]
