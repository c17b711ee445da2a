"""The contents of a summary, for text and for HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from cbackprop.models.costs import adds_of_call
from cbackprop.validation import check_integer

__all__ = ["NO_SHAPE", "Row", "Totals", "branches", "byte_size", "check_line_length", "describe", "totals"]

NO_SHAPE = "has no shape yet: start it with an Input, build it, or fit it."


class Row(NamedTuple):
    """A row of a summary, for one layer.

    `level` is the number of nested models around the layer; `sources` are the layers before each of its calls. `adds`
    are the multiply-adds of all calls in the surrounding model, or ``None`` if not asked for or dependent on the data.
    """

    name: str
    kind: str
    shapes: tuple[str, ...]
    params: int | None
    sources: tuple[str, ...]
    trainable: bool | None
    level: int
    adds: int | None = None


class Totals(NamedTuple):
    """The numbers of weights and of their bytes: all weights, and trainable ones."""

    params: int
    size: int
    trainable: int
    trainable_size: int


def describe(
    model: Any, expand_nested: bool = False, layer_range: Sequence[str] | None = None, costs: bool = False
) -> list[Row]:
    """A row for each layer. With `expand_nested`, the layers of a nested model follow its row.

    With `costs`, rows know their multiply-adds.

    Raises
    ------
    TypeError, ValueError
        If `layer_range` is not the names of two layers in their order.
    """
    layers = _in_range(model, layer_range)
    return [row for layer in layers for row in _rows(model, layer, expand_nested, costs, 0)]


def _in_range(model: Any, layer_range: Sequence[str] | None) -> list[Any]:
    if layer_range is None:
        return list(model.layers)
    if isinstance(layer_range, str) or not hasattr(layer_range, "__len__") or len(layer_range) != 2:
        raise TypeError(f"layer_range must be the names of a first and a last layer, but got {layer_range!r}.")
    first, last = (model.layers.index(model.get_layer(name)) for name in layer_range)
    if first > last:
        raise ValueError(
            f"layer_range must begin before it ends, but {layer_range[0]!r} comes after {layer_range[1]!r}."
        )
    return list(model.layers[first : last + 1])


def _rows(model: Any, layer: Any, expand_nested: bool, costs: bool, level: int) -> Iterator[Row]:
    nodes = [node for node in model.graph.nodes if node.layer is layer] if model.built else []
    nodes = nodes or (layer.nodes[:1] if layer.n_inputs == 0 else [])
    yield Row(
        layer.name,
        type(layer).__name__,
        tuple(dict.fromkeys(str(tensor.shape) for node in nodes for tensor in node.outputs)),
        sum(variable.size for variable in layer.variables) if layer.built else None,
        tuple(", ".join(_source(tensor) for tensor in node.inputs) for node in nodes if node.inputs),
        layer.trainable if layer.variables else None,
        level,
        _adds(nodes) if costs and model.built else None,
    )
    if expand_nested and layer.is_model:
        for inner in layer.layers:
            yield from _rows(layer, inner, expand_nested, costs, level + 1)


def _adds(nodes: list[Any]) -> int | None:
    """The total multiply-adds of some calls; ``None`` if one of them depends on the data."""
    found = [adds_of_call(node) for node in nodes if node.inputs]
    return None if None in found else sum(adds for adds in found if adds is not None)


def _source(tensor: Any) -> str:
    """The name of the layer that makes a tensor, with the index of the output if it has several."""
    node = tensor.node
    which = f"[{[id(output) for output in node.outputs].index(id(tensor))}]" if len(node.outputs) > 1 else ""
    return f"{node.layer.name}{which}"


def branches(model: Any) -> bool:
    """Whether the graph is not just a chain of layers, so that a summary must show connections."""
    if not model.built:
        return False
    nodes = [node for node in model.graph.nodes if node.inputs]
    used = [id(tensor) for node in nodes for tensor in node.inputs]
    return len(model.inputs) > 1 or len(model.outputs) > 1 or len(set(used)) < len(used) or len(used) > len(nodes)


def totals(model: Any) -> Totals:
    """The totals; weights of a shared layer are counted once."""
    everything, trainable = model.variables, model.trainable_variables
    return Totals(
        sum(variable.size for variable in everything),
        sum(variable.array.nbytes for variable in everything),
        sum(variable.size for variable in trainable),
        sum(variable.array.nbytes for variable in trainable),
    )


def check_line_length(line_length: Any) -> int | None:
    """`line_length`, checked: an integer that is large enough for a table, or ``None``."""
    return None if line_length is None else check_integer("line_length", line_length, minimum=40)


def byte_size(size: float) -> str:
    """A number of bytes as text, in a suitable unit."""
    for unit in ("B", "KB", "MB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} GB"
