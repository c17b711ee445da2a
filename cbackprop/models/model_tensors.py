"""What a model may be made of: the tensors that it begins and ends with, and models within models."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cbackprop.layers import Input
from cbackprop.plan.graph import Graph
from cbackprop.plan.sizes import called_again
from cbackprop.tensor import KerasTensor, flatten, map_structure
from cbackprop.validation import ArgumentTypeError, type_name

__all__ = ["begun_at", "check_nesting", "check_tensors"]

# Models within models: Python's own recursion, of pickle above all, ends at some hundred.
DEEPEST = 32


def check_nesting(model: Any, layers: Iterable[Any]) -> None:
    """Refuse layers that are models of which one holds `model` itself, or that are nested too deep.

    Raises
    ------
    ValueError
        If they are.
    """
    inside = [layer for layer in layers if layer.is_model]
    for _ in range(DEEPEST):
        if model in inside:
            raise ValueError(f"Model {model.name!r} cannot be a layer of itself, nor of a model within it.")
        inside = list(dict.fromkeys(layer for each in inside for layer in each.layers if layer.is_model))
        if not inside:
            return
    raise ValueError(f"Models can be nested {DEEPEST} deep at most, but model {model.name!r} would hold more.")


def begun_at(inputs: Any, outputs: Any) -> tuple[Any, Any]:
    """Inputs and outputs of a graph that begins with an `Input` wherever it began in the middle of another.

    The layers are the same. Without inputs of its own the model could be neither described nor saved.
    """
    flat, ends = check_tensors("inputs", inputs), check_tensors("outputs", outputs)
    if not any(map(_is_made, flat)):
        return inputs, outputs
    graph = Graph(flat, ends)
    taken = {layer.name for layer in graph.layers}
    begun = []
    for tensor in flat:
        if _is_made(tensor):
            name = tensor.name if tensor.name not in taken else f"{tensor.name}_output"
            tensor = Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=name)
        begun.append(tensor)
    first, last = iter(begun), iter(called_again(graph, begun))
    return map_structure(lambda _: next(first), inputs), map_structure(lambda _: next(last), outputs)


def _is_made(tensor: KerasTensor) -> bool:
    """Whether a symbolic tensor comes from something else than an `Input`."""
    return tensor.node is None or bool(tensor.node.inputs)


def check_tensors(name: str, structure: Any) -> list[KerasTensor]:
    """The symbolic tensors of a structure, flat.

    Raises
    ------
    TypeError
        If it holds anything else, or nothing.
    """
    tensors = flatten(structure)
    for tensor in tensors:
        if not isinstance(tensor, KerasTensor):
            hint = " Call it on a tensor: what it returns is one." if callable(tensor) else ""
            raise ArgumentTypeError(
                f"All `{name}` values must be KerasTensors, made by Input or by layers, but got {tensor!r:.100} of "
                f"type {type_name(tensor)}.{hint}"
            )
    if not tensors:
        raise ArgumentTypeError(f"{name} must not be empty.")
    return tensors
