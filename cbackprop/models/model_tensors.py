"""Check the tensors and nested models that a model is made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cbackprop.layers import Input
from cbackprop.plan.graph import Graph
from cbackprop.plan.sizes import called_again
from cbackprop.tensor import KerasTensor, flatten, map_structure
from cbackprop.validation import ArgumentTypeError, type_name

__all__ = ["begun_at", "check_nesting", "check_tensors"]

# The deepest nesting of models. Python's recursion, above all that of pickle, ends after a few hundred levels.
DEEPEST = 32


def check_nesting(model: Any, layers: Iterable[Any]) -> None:
    """Check that `model` can have these layers.

    Raises
    ------
    ValueError
        If one of them is or contains `model`, or they are nested too deep.
    """
    inside = [layer for layer in layers if layer.is_model]
    for _ in range(DEEPEST):
        if not inside:
            return
        if model in inside:
            raise ValueError(f"Model {model.name!r} cannot be a layer of itself, nor of a model within it.")
        inside = list(dict.fromkeys(layer for each in inside for layer in each.layers if layer.is_model))
    if inside:
        raise ValueError(f"Models can be nested {DEEPEST} deep at most, but model {model.name!r} would hold more.")


def begun_at(inputs: Any, outputs: Any) -> tuple[Any, Any]:
    """The inputs and outputs of a graph. An input that a layer has made is replaced by a new `Input`.

    The layers stay the same. Without inputs of its own, a model could not be described or saved.
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
    """Whether a symbolic tensor was not made by an `Input`."""
    return tensor.node is None or bool(tensor.node.inputs)


def check_tensors(name: str, structure: Any) -> list[KerasTensor]:
    """The symbolic tensors in a structure, as a flat list.

    Raises
    ------
    TypeError
        If the structure holds anything else, or nothing.
    """
    tensors = flatten(structure)
    for tensor in tensors:
        if not isinstance(tensor, KerasTensor):
            hint = " Call it on a tensor, and use the result." if callable(tensor) else ""
            raise ArgumentTypeError(
                f"All `{name}` values must be KerasTensors, made by Input or by layers, but got {tensor!r:.100} of "
                f"type {type_name(tensor)}.{hint}"
            )
    if not tensors:
        raise ArgumentTypeError(f"{name} must not be empty.")
    return tensors
