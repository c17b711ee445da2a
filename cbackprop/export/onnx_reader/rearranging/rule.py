"""Rules for operators of a graph whose batch is not the first axis, and what they are made of.

Each rule takes a node and the places of its inputs (`None` for constants). It returns nodes that compute the same with
the batch first, and the places of the outputs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.export.onnx_reader.open_sizes import Product, Size
from cbackprop.export.onnx_reader.places import Place

Array = NDArray[Any]
Places = list[Place | None]
Result = tuple[list[Any], list[Place]]
Rule = Callable[[Any, Any, Places], Result]
RULES: dict[str, Rule] = {}


class RearrangingError(ValueError):
    """A node cannot be rewritten to compute each sample by itself."""


def rearranges(*operators: str) -> Callable[[Rule], Rule]:
    """Decorator: the function is the rule for these operators."""

    def enter(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(operators, rule))
        return rule

    return enter


def place_known(place: Place | None) -> Place:
    """The place of an input that must not be a constant."""
    if place is None:
        raise RearrangingError("a constant is combined with a value whose first axis is not the batch")
    return place


def changed(node: Any, *inputs: str, operator: str | None = None, **attributes: Any) -> Any:
    """A copy of the node with these inputs and attributes."""
    return dataclasses.replace(
        node,
        inputs=list(inputs),
        operator=operator or node.operator,
        attributes=node.attributes | attributes,
        written=node.label.partition(" ")[0],
    )


def own_axis(place: Place, axis: int) -> int:
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


def sizes_of(graph: Any, name: str) -> list[Size]:
    """The sizes in a shape, which may be open."""
    if name in graph.constants:
        return [int(size) for size in graph.constants[name].ravel()]
    if name not in graph.sizes:
        raise RearrangingError(graph.why_unknown(name))
    found: list[Size] = [size for size in graph.sizes[name].as_list() if size is not None]
    if len(found) < graph.sizes[name].constant.size:
        raise RearrangingError("its shape is computed by adding open sizes")
    return found


def shown(sizes: Sequence[Size]) -> str:
    """Sizes as text for a message."""
    texts = [f"{size.factor} * {' * '.join(size.names)}" if isinstance(size, Product) else str(size) for size in sizes]
    return f"({', '.join(texts)})"


def broadcast(shapes: Sequence[Sequence[Size]]) -> tuple[Size, ...]:
    """The shape to which these shapes broadcast."""
    found: list[Size] = [1] * max(map(len, shapes))
    for shape in shapes:
        for axis, size in enumerate(shape[::-1], 1):
            if size != 1 and found[-axis] not in (1, size):
                raise RearrangingError(f"shapes {', '.join(map(shown, shapes))} cannot be broadcast together")
            found[-axis] = size if size != 1 else found[-axis]
    return tuple(found)


def with_shape(graph: Any, node: Any, place: Place, to: Place) -> Any:
    """A node that reshapes samples from one place to the other."""
    if to.sample == place.sample:
        return changed(node, node.inputs[0], operator="Identity")
    if sum(not isinstance(size, int) for size in to.sample) > 1:
        raise RearrangingError(f"more than one size of its shape {shown(to.sample)} is open")
    sizes = [0, *(size if isinstance(size, int) else -1 for size in to.sample)]
    shape = graph.new_constant(f"{node.name}/shape", np.array(sizes, np.int64))
    return changed(node, node.inputs[0], shape, operator="Reshape", allowzero=0)


def length(size: Size) -> int:
    """A size that must be known."""
    if not isinstance(size, int):
        raise RearrangingError("it works along an axis of open size")
    return size
