"""Put the axis of the batch first in every value of a graph.

Recurrent layers, and PyTorch's modules with ``batch_first=False``, have the batch at another axis. Its way through the
operators is followed. Operators get other axes, constants another shape, so that they compute the same of values in
which the batch comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from cbackprop.export.onnx_reader.graph import Node, ReadGraph
from cbackprop.export.onnx_reader.inference import Shape
from cbackprop.export.onnx_reader.input_axes import DATA_AT, RECURRENT

__all__ = ["put_batch_first"]

# Operators that compute each element by itself, or with those of other inputs at the same place.
ON_ELEMENTS = """
    Abs Add And Cast Ceil Celu Clip Cos Div Dropout Elu Equal Erf Exp Floor Gelu Greater GreaterOrEqual HardSigmoid
    HardSwish Identity IsNaN LeakyRelu Less LessOrEqual Log Max Mean Min Mish Mul Neg Not Or PRelu Pow Reciprocal Relu
    Round Selu Shrink Sigmoid Sign Sin Softplus Softsign Sqrt Sub Sum Swish Tan Tanh ThresholdedRelu Where Xor
    """.split()  # noqa: SIM905

# Operators that compute with data at another place than the first.
OF_ANY_INPUT = (*ON_ELEMENTS, "Concat", "Gather", "MatMul", *RECURRENT)


class UnfollowedError(ValueError):
    """After an operator, no axis is that of the batch."""


Mover = Callable[["Walk", Node], "int | list[int]"]
MOVERS: dict[str, Mover] = {}


def moves(*operators: str) -> Callable[[Mover], Mover]:
    """Decorator: the function changes a node, and returns the axis of the batch in its output, or in each of several.

    It is the axis in the file; axes of the changed node count with the batch first.
    """

    def enter(function: Mover) -> Mover:
        MOVERS.update(dict.fromkeys(operators, function))
        return function

    return enter


def put_batch_first(graph: ReadGraph) -> dict[str, str]:
    """Change a graph so that the batch is the first axis of every value that depends on the inputs.

    Returns
    -------
    dict of str to str
        For values behind operators that mix the samples of a batch: why. For outputs as well that have the batch at
        another axis, though neither inputs nor recurrent layers have.
    """
    walk = Walk(graph)
    for node in graph.nodes:
        walk.follow(node)
    graph.nodes = walk.nodes
    graph.bypass_copies()
    if not any(graph.batch_axes.values()) and not any(node.operator in RECURRENT for node in graph.nodes):
        ends = {name: axis for name, axis in walk.axes.items() if axis and name in graph.outputs}
        walk.problems |= {
            name: f"{graph.makers[name].label}: the batch is axis {axis} of its output {name!r}"
            for name, axis in ends.items()
        }
    return walk.problems


class Walk:
    """The way through a graph.

    Attributes
    ----------
    axes : dict of str to int
        The axis of the batch in each value, in the file.
    shapes : dict of str to tuple
        Shapes in the file.
    nodes : list of Node
        Those passed so far, and those added to them.
    """

    def __init__(self, graph: ReadGraph) -> None:
        self.graph = graph
        self.axes = dict(graph.batch_axes)
        self.shapes: dict[str, Shape] = dict(graph.shapes)
        self.nodes: list[Node] = []
        self.problems: dict[str, str] = {}
        self._widened: dict[tuple[str, int], str] = {}
        for name, axis in self.axes.items():
            self._move_shape(name, axis)

    def follow(self, node: Node) -> None:
        """Change a node, and note where the batch is in its outputs."""
        graph = self.graph
        outputs = [name for name in node.outputs if name]
        data = [name for name in node.inputs if name in self.axes]
        if data and not all(graph.is_constant(name) or graph.is_computed(name) for name in outputs):
            try:
                found = self._followed(node, data)
            except UnfollowedError as error:
                found = 0
                if any(self.axes[name] for name in data):  # else its reader knows better
                    self.problems |= dict.fromkeys(outputs, f"{node.label}: {error}")
            axes = found if isinstance(found, list) else [found] * len(node.outputs)
            for name, axis in zip(node.outputs, axes, strict=False):
                if name:
                    self.axes[name] = axis
                    self._move_shape(name, axis)
        self.nodes.append(node)

    def _followed(self, node: Node, data: list[str]) -> int | list[int]:
        mover = MOVERS.get(node.operator)
        if mover is not None and (node.inputs[0] in self.axes or node.operator in OF_ANY_INPUT):
            return mover(self, node)
        for name in data:
            if self.axes[name]:
                raise UnfollowedError(f"the batch is axis {self.axes[name]} of its input {name!r}")
        return 0

    def _move_shape(self, name: str, axis: int) -> None:
        shape = self.shapes.get(name)
        if axis and shape is not None and axis < len(shape):
            self.graph.shapes[name] = (shape[axis], *shape[:axis], *shape[axis + 1 :])

    def rank(self, name: str) -> int:
        """The number of axes of a value."""
        if name in self.graph.constants:
            return self.graph.constants[name].ndim
        if name not in self.shapes:
            raise UnfollowedError(f"its input {name!r} has an unknown number of axes")
        return len(self.shapes[name])

    def constant(self, node: Node, array: Any) -> str:
        """The name of a new constant."""
        name = f"{node.outputs[0]}/constant_{len(self.graph.constants)}"
        self.graph.constants[name] = np.asarray(array)
        return name

    def numbers(self, node: Node, position: int) -> list[int]:
        """A constant input of whole numbers."""
        name = node.inputs[position]
        if name not in self.graph.constants:
            raise UnfollowedError(f"its input {name!r} is not constant")
        return [int(number) for number in self.graph.constants[name].ravel()]

    def widened(self, node: Node, name: str, rank: int) -> str:
        """A value with axes of length 1 in front, of which the file has none."""
        missing = rank - self.rank(name)
        if missing == 0:
            return name
        key = name, missing
        if key not in self._widened:
            made = f"{name}/of_rank_{rank}"
            axes = self.constant(node, np.arange(1, missing + 1))
            self.nodes.append(Node(self.graph.package, "Unsqueeze", made, [name, axes], [made]))
            self.graph.makers[made] = self.nodes[-1]
            first, *rest = self.graph.shapes[name]
            self.graph.shapes[made] = (first, *[1] * missing, *rest)
            self.graph.types[made] = self.graph.types[name]
            self._widened[key] = made
        return self._widened[key]

    def aligned(self, node: Node, name: str, rank: int, batch: int) -> str:
        """A constant, for values of so many axes of which this one is that of the batch."""
        array = self.graph.constants[name]
        if array.ndim < rank - batch:  # it has no such axis
            return name
        full = array.reshape((1,) * (rank - array.ndim) + array.shape)
        first = np.take(full, 0, batch)
        if not (full == np.expand_dims(first, batch)).all():
            raise UnfollowedError(f"its input {name!r} has other numbers for each sample")
        return self.constant(node, first)


def held(axis: int, rank: int, batch: int) -> int:
    """Where an axis of a value is after the batch has been put first."""
    axis = axis + rank if axis < 0 else axis
    return 0 if axis == batch else axis + (axis < batch)


def without(sizes: Sequence[Any], axis: int) -> list[Any]:
    """All axes except one."""
    return [size for place, size in enumerate(sizes) if place != axis]


@moves(*ON_ELEMENTS)
def _on_elements(walk: Walk, node: Node) -> int:
    names = [name for name in node.inputs if name]
    data = [name for name in names if name in walk.axes]
    if not any(walk.axes[name] for name in data) and len({len(walk.shapes.get(name, ())) for name in names}) == 1:
        return 0
    ranks = [walk.rank(name) for name in names if name in walk.axes or name in walk.graph.constants]
    rank = max(ranks)
    places = {walk.axes[name] + rank - walk.rank(name) for name in data}
    if len(places) > 1:
        if any(walk.axes[name] for name in data):
            raise UnfollowedError(f"it combines samples of {data} with each other")
        return 0
    place = places.pop()
    if place:
        for position, name in enumerate(node.inputs):
            if name in data:
                node.inputs[position] = walk.widened(node, name, rank)
            elif name in walk.graph.constants:
                node.inputs[position] = walk.aligned(node, name, rank, place)
    return place


@moves("Transpose")
def _transpose(walk: Walk, node: Node) -> int:
    batch = walk.axes[node.inputs[0]]
    order = node.attribute("perm")
    order = list(order) if order else list(range(walk.rank(node.inputs[0])))[::-1]
    place = order.index(batch)
    if batch or place:
        moved = [place, *without(range(len(order)), place)]
        node.attributes["perm"] = [held(order[axis], len(order), batch) for axis in moved]
        node.copies = node.attributes["perm"] == sorted(order)
    return place


@moves("Unsqueeze")
def _unsqueeze(walk: Walk, node: Node) -> int:
    (x, _), batch = node.inputs, walk.axes[node.inputs[0]]
    new = walk.numbers(node, 1)
    rank = walk.rank(x) + len(new)
    new = [axis + rank if axis < 0 else axis for axis in new]
    place = without_all(range(rank), new)[batch]
    if place:
        node.inputs = [x, walk.constant(node, sorted(held(axis, rank, place) for axis in new))]
    return place


def without_all(sizes: Iterable[Any], axes: Iterable[int]) -> list[Any]:
    """All axes except some."""
    dropped = set(axes)
    return [size for place, size in enumerate(sizes) if place not in dropped]


@moves("Squeeze")
def _squeeze(walk: Walk, node: Node) -> int:
    x, batch = node.inputs[0], walk.axes[node.inputs[0]]
    if len(node.inputs) < 2:
        if batch:
            raise UnfollowedError("it removes every axis of length 1, which could be the batch's")
        return 0
    rank = walk.rank(x)
    axes = [axis + rank if axis < 0 else axis for axis in walk.numbers(node, 1)]
    if batch:
        node.inputs = [x, walk.constant(node, [held(axis, rank, batch) for axis in axes])]
    return batch - sum(axis < batch for axis in axes)


@moves("Slice")
def _slice(walk: Walk, node: Node) -> int:
    x, batch = node.inputs[0], walk.axes[node.inputs[0]]
    if batch:
        rank, given = walk.rank(x), len(node.inputs) > 3 and node.inputs[3]
        axes = walk.numbers(node, 3) if given else range(len(walk.numbers(node, 1)))
        moved = walk.constant(node, [held(axis, rank, batch) for axis in axes])
        node.inputs = [*node.inputs[:3], moved, *node.inputs[4:]]
    return batch


@moves("Gather")
def _gather(walk: Walk, node: Node) -> int:
    table, indices = node.inputs
    axis = node.attribute("axis")
    if table not in walk.axes:
        if walk.axes[indices] and axis:
            raise UnfollowedError(f"it looks up other than rows of {table!r}")
        return walk.axes[indices]
    batch = walk.axes[table]
    if not batch:
        return 0
    rank = walk.rank(table)
    axis = axis + rank if axis < 0 else axis
    node.attributes["axis"] = held(axis, rank, batch)
    return batch + (walk.rank(indices) - 1) * (axis < batch)


@moves("Split", "Concat", "Softmax", "LogSoftmax")
def _along_axis(walk: Walk, node: Node) -> int:
    batches = {walk.axes.get(name, 0) for name in node.inputs[: len(node.inputs) if node.operator == "Concat" else 1]}
    if len(batches) > 1:
        raise UnfollowedError(f"the batch is not the same axis of all its inputs {node.inputs}")
    batch = batches.pop()
    if batch:
        node.attributes["axis"] = held(node.attribute("axis"), walk.rank(node.inputs[0]), batch)
    return batch


@moves("LayerNormalization", "RMSNormalization")
def _along_last_axes(walk: Walk, node: Node) -> int:
    batch, rank = walk.axes[node.inputs[0]], walk.rank(node.inputs[0])
    axis = node.attribute("axis")
    if batch and (axis + rank if axis < 0 else axis) <= batch:
        raise UnfollowedError("it normalizes along the batch")
    return batch


@moves("ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum")
def _reduce(walk: Walk, node: Node) -> int:
    x, batch = node.inputs[0], walk.axes[node.inputs[0]]
    if not batch:
        return 0
    if len(node.inputs) < 2:
        raise UnfollowedError("without axes it mixes the samples of a batch")
    rank = walk.rank(x)
    axes = [axis + rank if axis < 0 else axis for axis in walk.numbers(node, 1)]
    node.inputs = [x, walk.constant(node, [held(axis, rank, batch) for axis in axes])]
    return batch if node.attribute("keepdims") else batch - sum(axis < batch for axis in axes)


@moves("MatMul")
def _matmul(walk: Walk, node: Node) -> int:
    names = [name for name in node.inputs if name in walk.axes]
    batches, ranks = {walk.axes[name] for name in names}, {walk.rank(name) for name in names}
    if batches == {0}:
        return 0
    batch, rank = batches.pop(), ranks.pop()
    weights = [walk.rank(name) for name in node.inputs if name not in walk.axes]
    if (
        batches
        or ranks
        or batch > rank - (2 if node.inputs[0] in names and weights else 3)
        or max(weights, default=1) > 2
    ):
        raise UnfollowedError("it mixes the samples of a batch")
    return batch


@moves("Expand")
def _expand(walk: Walk, node: Node) -> int:
    x, batch = node.inputs[0], walk.axes[node.inputs[0]]
    target = target_of(walk, node)
    if target is None or x not in walk.shapes:
        return unchanged(batch)
    rank = max(walk.rank(x), len(target))
    place = batch + rank - walk.rank(x)
    if place:
        target = [1] * (rank - len(target)) + target
        if target[place] not in (1, walk.shapes[x][batch]) or any(
            not isinstance(size, int) for size in without(target, place)
        ):
            raise UnfollowedError(f"the shape {target} does not keep the batch as axis {place}")
        node.inputs = [walk.widened(node, x, rank), walk.constant(node, [1, *without(target, place)])]
    return place


def unchanged(batch: int) -> int:
    """0, where that is the axis already."""
    if batch:
        raise UnfollowedError("its shape is not known")
    return 0


def target_of(walk: Walk, node: Node) -> list[Any] | None:
    """The shape that is the second input of a node; ``None`` if it is unknown."""
    name = node.inputs[1]
    if name in walk.graph.constants:
        return walk.numbers(node, 1)
    return walk.graph.sizes[name].as_list() if name in walk.graph.sizes else None


@moves("Reshape")
def _reshape(walk: Walk, node: Node) -> int:
    x, batch = node.inputs[0], walk.axes[node.inputs[0]]
    old, target = walk.shapes.get(x), target_of(walk, node)
    new = None if old is None or target is None else resolved(old, target, bool(node.attribute("allowzero")))
    if old is None or new is None:
        return unchanged(batch)
    place = place_after(old, batch, new)
    if place is None:
        if batch:
            raise UnfollowedError(f"it puts the samples of a batch, axis {batch} of shape {old}, together with others")
        return 0
    if batch or place:
        rest = without(new, place)
        if sum(not isinstance(size, int) for size in rest) > 1:
            raise UnfollowedError("more than one size of its result is unknown")
        sizes = [0, *(size if isinstance(size, int) else -1 for size in rest)]
        node.inputs = [x, walk.constant(node, np.array(sizes, np.int64))]
        node.attributes.pop("allowzero", None)
        walk.shapes.setdefault(node.outputs[0], tuple(new))
    return place


def product(sizes: Iterable[Any]) -> tuple[int, list[str]]:
    """The product of the sizes that are known, and the others."""
    known, others = 1, []
    for size in sizes:
        if isinstance(size, int):
            known *= size
        else:
            others.append(str(size))
    return known, sorted(others)


def resolved(old: Shape, target: list[Any], allow_zero: bool) -> list[Any] | None:
    """A shape to which one is reshaped, without the codes 0 and -1; ``None`` if that leaves a size open."""
    if None in old:
        return None
    if not allow_zero:
        if any(size == 0 and axis >= len(old) for axis, size in enumerate(target)):
            return None
        target = [old[axis] if size == 0 else size for axis, size in enumerate(target)]
    if None in target or target.count(-1) > 1:
        return None
    if -1 not in target:
        return target
    known, others = product(old)
    other_known, same = product(size for size in target if size != -1)
    for size in same:
        if size not in others:
            return None
        others.remove(size)
    if other_known == 0 or known % other_known or len(others) > 1 or (others and known != other_known):
        return None
    missing: Any = others[0] if others else known // other_known
    return [missing if size == -1 else size for size in target]


def place_after(old: Shape, batch: int, new: Sequence[Any]) -> int | None:
    """The axis of a reshaped value that is that of the batch: as much stands in front of it as before."""
    before, after = product(old[:batch]), product(old[batch + 1 :])
    for axis, size in enumerate(new):
        if size == old[batch] and product(new[:axis]) == before and product(new[axis + 1 :]) == after:
            return axis
    return None


@moves("RNN", "GRU", "LSTM")
def _recurrent(walk: Walk, node: Node) -> list[int]:
    places = DATA_AT[bool(node.attribute("layout"))]
    for name, place in zip(node.inputs, places, strict=False):
        if name in walk.axes and place is not None and walk.axes[name] != place:
            raise UnfollowedError(f"axis {place} of its input {name!r} is not that of the batch")
    return [0, 0, 0] if node.attribute("layout") else [2, 1, 1]
