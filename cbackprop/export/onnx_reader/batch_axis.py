"""Rewrite a graph so that the batch is the first axis of all its values, by the rules in `rearranging`."""

from __future__ import annotations

from typing import Any

from cbackprop.export.onnx_reader.inference import BATCH
from cbackprop.export.onnx_reader.input_axes import RECURRENT
from cbackprop.export.onnx_reader.places import Place, place_of
from cbackprop.export.onnx_reader.rearranging import along_axes, axes, elements, products  # noqa: F401 - register
from cbackprop.export.onnx_reader.rearranging.elements import ELEMENTWISE
from cbackprop.export.onnx_reader.rearranging.rule import RULES, Places, RearrangingError

__all__ = ["put_batch_first"]

# Operators that can move the batch away from the first axis.
MOVERS = ("Transpose", "Reshape", "Flatten", "Unsqueeze")
# Operators that are always rewritten.
NORMALIZED = ("Softmax", *RECURRENT)


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
