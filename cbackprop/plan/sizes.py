"""The plans of a model whose inputs leave sizes open: one for each shape that data comes in."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from cbackprop.layers.layer import Layer
from cbackprop.layers.unknown_sizes import fits
from cbackprop.plan.graph import Graph
from cbackprop.plan.plan import Plan, SampleShape
from cbackprop.tensor import KerasTensor, Node, Shape

__all__ = ["MOST_SIZES", "Latest", "PlansOfSizes", "Sizes", "replayed"]

# The shape of a sample of each input.
Sizes = tuple[SampleShape, ...]
# What is made for so many shapes is kept: enough for lengths in steps of ten, little enough for the memory.
MOST_SIZES = 16

Item = TypeVar("Item")


class Latest(Generic[Item]):
    """Things by sizes, each made when it is first asked for; of too many, the one that was longest not used goes."""

    def __init__(self, make: Callable[[Sizes], Item]) -> None:
        self._make = make
        self._items: OrderedDict[Sizes, Item] = OrderedDict()
        self._lock = threading.RLock()

    def get(self, sizes: Sizes) -> Item:
        """The thing for these sizes."""
        with self._lock:
            if sizes not in self._items:
                self._items[sizes] = self._make(sizes)
                if len(self._items) > MOST_SIZES:
                    self._items.popitem(last=False)
            self._items.move_to_end(sizes)
            return self._items[sizes]

    def known(self, sizes: Sizes) -> Item | None:
        """The same, or ``None`` if it would have to be made."""
        return self._items.get(sizes)

    def __len__(self) -> int:
        return len(self._items)

    def after_fork(self) -> None:
        """In a child process: whoever held the lock stayed behind in the parent."""
        self._lock = threading.RLock()


class PlansOfSizes:
    """The plans of one graph.

    Parameters
    ----------
    graph : Graph
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._tensors: Latest[tuple[list[KerasTensor], list[KerasTensor]]] = Latest(self._replay)
        self._plans: Latest[Plan] = Latest(lambda sizes: Plan(*self.tensors(sizes)))

    def _replay(self, sizes: Sizes) -> tuple[list[KerasTensor], list[KerasTensor]]:
        return replayed(self._graph, [(None, *shape) for shape in sizes])

    def tensors(self, sizes: Sizes) -> tuple[list[KerasTensor], list[KerasTensor]]:
        """Inputs and outputs of a graph of the same layers for samples of these shapes."""
        return self._tensors.get(sizes)

    def of(self, sizes: Sizes) -> Plan:
        """The plan for samples of these shapes.

        Raises
        ------
        ValueError
            If a layer cannot take them.
        """
        return self._plans.get(sizes)


def replayed(graph: Graph, shapes: Sequence[Shape]) -> tuple[list[KerasTensor], list[KerasTensor]]:
    """The calls of a graph once more, for inputs of other shapes; new inputs and outputs.

    Raises
    ------
    ValueError
        If a layer cannot take them, or a size that was known turns out to be another one.
    """
    inputs = [KerasTensor(shape, old.dtype, old.name) for old, shape in zip(graph.inputs, shapes, strict=True)]
    at = {id(old): new for old, new in zip(graph.inputs, inputs, strict=True)}
    for node in graph.nodes:
        if not all(id(tensor) in at for tensor in node.outputs):
            for old, new in zip(node.outputs, _called_again(node, at), strict=True):
                _check_sizes(node, old, new)
                at.setdefault(id(old), new)
    return inputs, [at[id(tensor)] for tensor in graph.outputs]


def _called_again(node: Node, at: dict[int, KerasTensor]) -> list[KerasTensor]:
    """The outputs of a call for other inputs. The layer does not count it among its own."""
    given = [at[id(tensor)] for tensor in node.inputs]
    if node.graph is not None:
        inputs, outputs = replayed(node.graph, [tensor.shape for tensor in given])
        made = [KerasTensor(tensor.shape, tensor.dtype, tensor.name) for tensor in outputs]
        return list(Node(node.layer, given, made, node.training, Graph(inputs, outputs)).outputs)
    call = node.arguments.replaced(lambda tensor: at[id(tensor)])
    layer = node.layer
    with Layer._making:
        before = list(layer.nodes)
        try:
            Layer.connect_python(layer, call) if layer.is_python else layer.connect(call)
            again: Node = layer.nodes[-1]
        finally:
            layer.nodes[:] = before
    return list(again.outputs)


def _check_sizes(node: Node, old: KerasTensor, new: KerasTensor) -> None:
    """Refuse an output that does not have the sizes that it was promised to have."""
    if not fits(new.shape, old.shape):
        given = ", ".join(str(tensor.shape) for tensor in node.inputs)
        raise ValueError(
            f"Layer {node.layer.name!r} was to have outputs of shape {old.shape} for inputs of shape {given}, but for "
            f"these data they have {new.shape}."
        )
