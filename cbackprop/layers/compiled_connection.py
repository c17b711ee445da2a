"""Layers of this library on symbolic tensors: the shapes of their outputs, and inputs that they refuse."""

from __future__ import annotations

from typing import Any

from cbackprop.layers.call_arguments import CallArguments, map_shapes
from cbackprop.layers.connecting import check_masks
from cbackprop.number_types import FLOAT_TYPES
from cbackprop.tensor import KerasTensor, Node, Shape

__all__ = ["check_float_types", "check_inputs", "connect_compiled"]


def connect_compiled(layer: Any, call: CallArguments) -> Any:
    """The output of a layer that does not compute in Python, or the structure of its outputs, for symbolic tensors.

    Raises
    ------
    TypeError, ValueError
        If the layer cannot take such inputs.
    """
    _refuse_own_call(layer)
    tensors = call.input_leaves()
    more = call.more_leaves()
    layer.check_inputs(tensors)
    layer.check_more_inputs(tensors, more)
    check_masks(layer, call)
    shapes = [tensor.shape for tensor in tensors]
    found = layer.resolve(shapes[0] if layer.n_inputs == 1 else shapes)
    found = layer.shapes_of_call(found, shapes, call.settings)
    sizes = {tensor.shape[0] for tensor in [*tensors, *more]}
    batch = sizes.pop() if len(sizes) == 1 else None
    outputs: list[KerasTensor] = []

    def tensor_of(shape: Shape) -> KerasTensor:
        outputs.append(KerasTensor((batch, *shape[1:]), layer.dtype, layer.name))
        return outputs[-1]

    structure = map_shapes(tensor_of, found)
    inputs = [*tensors, *more, *call.given_masks]
    layer.nodes.append(Node(layer, inputs, outputs, call.training, arguments=call, structure=structure))
    return structure


def _refuse_own_call(layer: Any) -> None:
    """Refuse a `call` that was set on a layer, or on its class once that was made: it would never be called."""
    owner = next(cls for cls in type(layer).__mro__ if "call" in cls.__dict__)
    if "call" in layer.__dict__ or owner.__module__.partition(".")[0] != "cbackprop":
        raise TypeError(
            f"call was set on layer {layer.name!r}, or on {owner.__name__}, but would never be called: "
            f"{type(layer).__name__} computes in compiled code. Define call in a class that is derived from it."
        )


def check_inputs(layer: Any, tensors: list[Any]) -> None:
    """Refuse a wrong number of inputs, inputs that are not symbolic, or of another float type."""
    strangers = [tensor for tensor in tensors if not isinstance(tensor, KerasTensor)]
    if strangers:
        raise TypeError(f"Layer {layer.name!r} was called on symbolic tensors and {type(strangers[0]).__name__}.")
    if layer.n_inputs is None and len(tensors) < 2 and not layer.is_python:
        raise ValueError(f"Layer {layer.name!r} merges a list of at least 2 inputs, but got {len(tensors)}.")
    if layer.n_inputs is not None and len(tensors) != layer.n_inputs:
        raise ValueError(f"Layer {layer.name!r} takes {layer.n_inputs} input(s), but got {len(tensors)}.")
    layer.check_float_types(tensors)


def check_float_types(layer: Any, tensors: list[Any]) -> None:
    """Refuse inputs of another float type."""
    for tensor in tensors:
        if tensor.dtype != layer.dtype and tensor.dtype in FLOAT_TYPES:
            raise ValueError(
                f"Layer {layer.name!r} computes in {layer.dtype}, but its input {tensor.name!r} is {tensor.dtype}. "
                "Give both the same dtype, or set config.set_floatx before making them."
            )
