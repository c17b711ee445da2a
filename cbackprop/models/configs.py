"""Functional models as plain values, and back."""

from __future__ import annotations

from typing import Any

from cbackprop.layers.layer import Layer, registry
from cbackprop.tensor import KerasTensor, Node, map_structure

__all__ = ["functional_config", "functional_from_config"]


def functional_config(model: Any) -> dict[str, Any]:
    """Layers, the calls that connect them, and which tensors are inputs and outputs.

    A tensor is written as [name of the layer, number of the call, number of the output].
    """
    reference: dict[int, list[Any]] = {}
    calls: list[dict[str, Any]] = []
    counts: dict[Layer, int] = {}
    for node in _nodes(model):
        number = counts.get(node.layer, 0)
        counts[node.layer] = number + 1
        for position, tensor in enumerate(node.outputs):
            reference[id(tensor)] = [node.layer.name, number, position]
        if node.inputs:
            calls.append(
                {
                    "layer": node.layer.name,
                    "inputs": [reference[id(tensor)] for tensor in node.inputs],
                    "training": node.training,
                }
            )
    return {
        "name": model.name,
        "layers": [{"name": layer.name, **registry.serialize(layer)} for layer in model.layers],
        "calls": calls,
        "inputs": _write(model.input_structure, reference),
        "outputs": _write(model.output_structure, reference),
    }


def _nodes(model: Any) -> list[Node]:
    """The graph's nodes, inputs that no output uses included; a model may not begin inside another."""
    unused = [tensor.node for tensor in model.inputs if tensor.node not in model.graph.nodes]
    if any(node is None or node.inputs for node in unused):
        raise ValueError(f"Model {model.name!r} begins inside another model, so that it has no config of its own.")
    return [*unused, *model.graph.nodes]


def _write(structure: Any, reference: dict[int, list[Any]]) -> Any:
    """A structure of tensors with each tensor replaced by how it is written."""
    if isinstance(structure, KerasTensor):
        return {"tensor": reference[id(structure)]}
    if isinstance(structure, dict):
        return {"dict": {key: _write(item, reference) for key, item in structure.items()}}
    return {"list": [_write(item, reference) for item in structure]}


def _read(written: dict[str, Any], tensors: dict[tuple[Any, ...], KerasTensor]) -> Any:
    if "tensor" in written:
        return tensors[tuple(written["tensor"])]
    if "dict" in written:
        return {key: _read(item, tensors) for key, item in written["dict"].items()}
    return [_read(item, tensors) for item in written["list"]]


def functional_from_config(cls: type, config: dict[str, Any]) -> Any:
    """A new model of the graph that `functional_config` wrote."""
    layers = {entry["name"]: registry.deserialize(entry) for entry in config["layers"]}
    tensors: dict[tuple[Any, ...], KerasTensor] = {}
    counts: dict[str, int] = {}
    for name, layer in layers.items():
        if layer.n_inputs == 0:
            tensors[name, 0, 0] = layer.output
    for call in config["calls"]:
        name = call["layer"]
        inputs = [tensors[tuple(reference)] for reference in call["inputs"]]
        layer = layers[name]
        many = layer.is_model or (layer.n_inputs != 1 and not (layer.is_python and len(inputs) == 1))
        layer(_as_called(layer, inputs) if many else inputs[0], training=call["training"])
        number = counts.get(name, 0)
        counts[name] = number + 1
        for position, tensor in enumerate(layer.nodes[-1].outputs):
            tensors[name, number, position] = tensor
    return cls(_read(config["inputs"], tensors), _read(config["outputs"], tensors), name=config["name"])


def _as_called(layer: Layer, inputs: list[KerasTensor]) -> Any:
    """Flat inputs in the structure that a nested model was made with."""
    structure = getattr(layer, "input_structure", None) if layer.is_model else inputs
    remaining = iter(inputs)
    return map_structure(lambda _: next(remaining), structure)
