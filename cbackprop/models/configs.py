"""Functional models as plain values, and back."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from cbackprop.layers.layer import Layer, registry
from cbackprop.registry import parts_of
from cbackprop.shared_objects import writing
from cbackprop.tensor import KerasTensor, Node, map_structure

__all__ = ["functional_config", "functional_from_config", "layer_configs"]

# What a layer knows of its place in models, which is none of its arguments.
BOOKKEEPING = ("nodes", "_models", "_variables")


def functional_config(model: Any) -> dict[str, Any]:
    """Layers, the calls that connect them, and which tensors are inputs and outputs.

    A tensor is written as [name of the layer, number of the call, number of the output].
    """
    layers = layer_configs(model.layers)
    for layer, config in zip(model.layers, layers, strict=True):
        config["name"] = layer.name
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
        "layers": layers,
        "calls": calls,
        "inputs": _write(model.input_structure, reference),
        "outputs": _write(model.output_structure, reference),
    }


def layer_configs(layers: Sequence[Layer]) -> list[dict[str, Any]]:
    """The configs of a model's layers, in order.

    Raises
    ------
    ValueError
        If a layer holds another one of them that its config does not write: a copy of it would have another one.
    """
    with writing() as written:
        configs = [registry.serialize(layer) for layer in layers]
        holders = {layer: set(_held(layer)) for layer in layers if layer.is_python}
        shared = Counter([*layers, *(inner for held in holders.values() for inner in held)])
        for layer, held in holders.items():
            for inner in held:
                if shared[inner] > 1 and not written.holds(layer, inner):
                    raise ValueError(
                        f"Layer {layer.name!r} ({type(layer).__name__}) holds layer {inner.name!r}, which another "
                        "layer or the model holds, too, but its config does not say so: its copies would have another "
                        f"one. Let the constructor of {type(layer).__name__} take it as an argument, and get_config "
                        "return it."
                    )
    return configs


def _held(layer: Layer) -> Iterator[Layer]:
    """Layers that a layer in Python holds in attributes of its own, also within lists, dicts and other objects."""
    pending = [value for name, value in vars(layer).items() if name not in BOOKKEEPING]
    seen: set[int] = set()
    while pending:
        thing = pending.pop()
        if id(thing) in seen or inspect.ismodule(thing) or inspect.isclass(thing):
            continue
        seen.add(id(thing))
        if isinstance(thing, Layer):
            yield thing
        else:
            pending.extend(parts_of(thing))


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
