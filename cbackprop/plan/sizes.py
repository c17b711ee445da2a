"""The plans of a model whose inputs have open sizes or may be left out: one for each form of data."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from cbackprop.layers.connecting import connect_python
from cbackprop.layers.layer import Layer
from cbackprop.layers.unknown_sizes import fits
from cbackprop.plan.graph import Graph
from cbackprop.plan.plan import Plan
from cbackprop.plan.step import SampleShape
from cbackprop.tensor import KerasTensor, Node, Shape, is_optional

__all__ = ["MOST_SIZES", "Latest", "PlansOfSizes", "Sizes", "called_again", "replayed"]

# The shape of a sample of each input; None for one that is left out.
Sizes = tuple[SampleShape | None, ...]
# How many shapes plans are kept for: enough for lengths in steps of ten, and few enough for the memory.
MOST_SIZES = 16

Item = TypeVar("Item")


# Returns the layer that replaces a layer.
Replacing = Callable[[Layer], Layer]


class Latest(Generic[Item]):
    """A cache of objects by sizes. Each is made at first use. The least recently used one is dropped first."""

    def __init__(self, make: Callable[[Sizes], Item]) -> None:
        self._make = make
        self._items: OrderedDict[Sizes, Item] = OrderedDict()

    def get(self, sizes: Sizes) -> Item:
        """The object for these sizes."""
        # Use the lock under which layers are connected. With a lock of its own, two threads could wait for each other.
        with Layer._making:
            if sizes not in self._items:
                self._items[sizes] = self._make(sizes)
                if len(self._items) > MOST_SIZES:
                    self._items.popitem(last=False)
            self._items.move_to_end(sizes)
            return self._items[sizes]

    def known(self, sizes: Sizes) -> Item | None:
        """The object for these sizes, or ``None`` if it has not been made yet."""
        return self._items.get(sizes)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Item]:
        with Layer._making:
            return iter(list(self._items.values()))


class PlansOfSizes:
    """The plans of one graph.

    Parameters
    ----------
    graph : Graph
    keeps_sizes : bool, default True
        Whether sizes that the graph knows must stay the same. Otherwise any shape is allowed that the layers take.
    """

    def __init__(self, graph: Graph, keeps_sizes: bool = True) -> None:
        self._graph = graph
        self._keeps_sizes = keeps_sizes
        self._tensors: Latest[tuple[list[KerasTensor], list[KerasTensor]]] = Latest(self._replay)
        self._plans: Latest[Plan] = Latest(lambda sizes: Plan(*self.tensors(sizes)))

    def _replay(self, sizes: Sizes) -> tuple[list[KerasTensor], list[KerasTensor]]:
        shapes = [None if shape is None else (None, *shape) for shape in sizes]
        inputs, outputs = replayed(self._graph, shapes, self._keeps_sizes)
        return [tensor for tensor in inputs if tensor is not None], outputs

    def tensors(self, sizes: Sizes) -> tuple[list[KerasTensor], list[KerasTensor]]:
        """Inputs and outputs of a graph of the same layers for samples of these shapes, without the inputs left out."""
        return self._tensors.get(sizes)

    def of(self, sizes: Sizes) -> Plan:
        """The plan for samples of these shapes.

        Raises
        ------
        ValueError
            If a layer cannot take them.
        """
        return self._plans.get(sizes)


def replayed(
    graph: Graph, shapes: Sequence[Shape | None], keeps_sizes: bool = True, instead: Replacing | None = None
) -> tuple[list[KerasTensor | None], list[KerasTensor]]:
    """Repeat the calls of a graph for inputs of other shapes (``None`` if left out); return new inputs and outputs.

    `instead` returns the layer that replaces a layer.

    Raises
    ------
    ValueError
        If a layer cannot take them, or a size that was known turns out to be another one.
    """
    inputs = [
        None if shape is None else KerasTensor(shape, old.dtype, old.name)
        for old, shape in zip(graph.inputs, shapes, strict=True)
    ]
    return inputs, called_again(graph, inputs, keeps_sizes, instead)


def called_again(
    graph: Graph,
    inputs: Sequence[KerasTensor | None],
    keeps_sizes: bool = True,
    instead: Replacing | None = None,
) -> list[KerasTensor]:
    """Repeat the calls of a graph for these inputs, and return the outputs.

    `instead` returns the layer that replaces a layer.

    Raises
    ------
    ValueError
        If a layer cannot take them, or a size that was known turns out to be another one.
    """
    at = {id(old): new for old, new in zip(graph.inputs, inputs, strict=True)}
    for node in graph.nodes:
        if not all(id(tensor) in at for tensor in node.outputs):
            for old, new in zip(node.outputs, _one_again(node, at, instead), strict=True):
                if keeps_sizes:
                    _check_sizes(node, old, new)
                at.setdefault(id(old), new)
    return [_present(at[id(tensor)], tensor) for tensor in graph.outputs]


def _present(value: KerasTensor | None, tensor: KerasTensor) -> KerasTensor:
    """The value, which must not be left out."""
    if value is None:
        raise ValueError(f"The input {tensor.name!r} is an output, too, so it cannot be left out.")
    return value


def _one_again(node: Node, at: dict[int, KerasTensor | None], instead: Replacing | None) -> list[KerasTensor]:
    """The outputs of a call for other inputs. The layer does not record this call."""
    given = [at[id(tensor)] for tensor in node.inputs]
    _check_left_out(node, given)
    if node.graph is not None:
        shapes = [None if tensor is None else tensor.shape for tensor in given]
        inputs, outputs = replayed(node.graph, shapes, instead is None, instead)
        made = [KerasTensor(tensor.shape, tensor.dtype, tensor.name) for tensor in outputs]
        there = [tensor for tensor in given if tensor is not None]
        graph = Graph([tensor for tensor in inputs if tensor is not None], outputs)
        return list(Node(node.layer, there, made, node.training, graph).outputs)
    call = node.arguments.replaced(lambda tensor: at[id(tensor)])
    layer = node.layer if instead is None else instead(node.layer)
    with Layer._making:
        before = list(layer.nodes)
        try:
            connect_python(layer, call) if layer.is_python else layer.connect(call)
            again: Node = layer.nodes[-1]
        finally:
            layer.nodes[:] = before
    return list(again.outputs)


def _check_left_out(node: Node, given: Sequence[KerasTensor | None]) -> None:
    """Refuse a call that needs an input that was left out."""
    left_out = [tensor for tensor, value in zip(node.inputs, given, strict=True) if value is None]
    if not left_out:
        return
    layer, name = node.layer, left_out[0].name
    what = f"The input {name!r} is optional and was left out, but {type(layer).__name__} {layer.name!r} "
    if node.graph is not None:
        pairs = zip(node.graph.inputs, given, strict=True)
        needed = [inner.name for inner, value in pairs if value is None and not is_optional(inner)]
        if needed:
            raise ValueError(f"{what}takes it as its input {needed[0]!r}, which is not optional.")
    elif not layer.is_python:
        raise ValueError(f"{what}needs it: only a layer in Python can handle None, in its call.")
    if len(left_out) == len(given):
        raise ValueError(f"{what}takes nothing else: at least one of its inputs must be there.")


def _check_sizes(node: Node, old: KerasTensor, new: KerasTensor) -> None:
    """Refuse an output whose sizes differ from the known ones."""
    if not fits(new.shape, old.shape):
        given = ", ".join(str(tensor.shape) for tensor in node.inputs)
        raise ValueError(
            f"Layer {node.layer.name!r} was to have outputs of shape {old.shape} for inputs of shape {given}, but for "
            f"these data they have {new.shape}."
        )
