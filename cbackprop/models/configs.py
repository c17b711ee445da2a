"""Functional models as plain values, and back.

The format is Keras's. It has an entry for each layer, with all calls of the layer. A tensor is written as [name of the
layer, number of the call, number of the output].
"""

from __future__ import annotations

import functools
import inspect
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cbackprop.config_reading import from_config
from cbackprop.config_writing import to_config
from cbackprop.layers.call_arguments import signature_of
from cbackprop.layers.layer import Layer, registry
from cbackprop.layers.tracking import KEPT
from cbackprop.object_parts import parts_of
from cbackprop.shared_objects import writing
from cbackprop.tensor import KerasTensor, Node, map_structure

__all__ = [
    "call_arguments",
    "functional_config",
    "functional_from_config",
    "is_functional_config",
    "layer_configs",
    "replaced",
]

# The keys that describe a graph. A user's class may add keys for arguments of its own.
GRAPH = ("layers", "input_layers", "output_layers")
TENSOR = "__keras_tensor__"

Reference = tuple[str, int, int]


def functional_config(model: Any) -> dict[str, Any]:
    """The layers, the calls that connect them, and the tensors that are inputs and outputs."""
    layers = layer_configs(model.layers)
    entries: dict[Layer, dict[str, Any]] = {}
    for layer, config in zip(model.layers, layers, strict=True):
        entries[layer] = config
        config["name"], config["inbound_nodes"] = layer.name, []
    reference: dict[int, list[Any]] = {}
    counts: Counter[Layer] = Counter()
    for node in _nodes(model):
        for position, tensor in enumerate(node.outputs):
            reference[id(tensor)] = [node.layer.name, counts[node.layer], position]
        counts[node.layer] += 1
        if node.inputs:
            entries[node.layer]["inbound_nodes"].append(_call(node, reference))
    names = {} if model.class_names is None else {"class_names": model.class_names}
    return {
        "name": model.name,
        "trainable": model.trainable,
        **names,
        "layers": layers,
        "input_layers": _write(model.input_structure, reference),
        "output_layers": _write(model.output_structure, reference, {layer.name for layer in entries if _begins(layer)}),
    }


def layer_configs(layers: Sequence[Layer]) -> list[dict[str, Any]]:
    """The configs of a model's layers, in order.

    Raises
    ------
    ValueError
        If a layer holds another layer of the model but its config does not mention that: a copy would hold a new one.
    """
    with writing() as written:
        configs = [registry.serialize(layer) for layer in layers]
        holders = {layer: set(_held(layer)) for layer in layers if layer.is_python}
        shared = Counter([*layers, *(inner for held in holders.values() for inner in held)])
        for layer, held in holders.items():
            for inner in held:
                if shared[inner] > 1 and not written.holds(layer, inner):
                    raise ValueError(
                        f"Layer {layer.name!r} ({type(layer).__name__}) holds layer {inner.name!r}, which is also used "
                        "elsewhere in the model, but its config does not mention that: a copy would hold a different "
                        f"layer. Let the constructor of {type(layer).__name__} take the layer as an argument, and "
                        "return it in get_config."
                    )
    return configs


def _held(layer: Layer) -> Iterator[Layer]:
    """Layers in the attributes of a layer in Python, also in lists, dicts and other objects there."""
    pending = [value for name, value in vars(layer).items() if name not in KEPT]
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
    """The nodes of the graph, and the nodes of inputs on which no output depends."""
    unused = [tensor.node for tensor in model.inputs if tensor.node not in model.graph.nodes]
    return [*unused, *model.graph.nodes]


def _begins(layer: Any) -> bool:
    """Whether Keras counts the calls of a layer from 1: for a functional model, its own graph is call 0."""
    return bool(layer.is_model and not hasattr(layer, "add"))


# Calls


def _call(node: Node, reference: dict[int, list[Any]]) -> dict[str, Any]:
    """The arguments of a call; tensors are replaced by the calls that made them."""
    args, kwargs = call_arguments(node)
    described = {
        id(tensor): {
            "class_name": TENSOR,
            "config": {"shape": list(tensor.shape), "dtype": tensor.dtype, "keras_history": reference[id(tensor)]},
        }
        for tensor in node.inputs
    }

    def plain(value: Any) -> Any:
        return to_config(replaced(value, lambda leaf: described.get(id(leaf), leaf)))

    return {"args": [plain(value) for value in args], "kwargs": {name: plain(value) for name, value in kwargs.items()}}


def call_arguments(node: Node) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a call: positional ones, and keyword arguments."""
    given = node.arguments
    kwargs = {} if node.training is None else {"training": node.training}
    if given is None:
        return [_as_called(node.layer, list(node.inputs))], kwargs
    positional = given.positional
    others = {name: value for name, value in given.values.items() if name not in positional}
    return [given.values[name] for name in positional], kwargs | given.masks_by_name | others


def _as_called(layer: Layer, inputs: list[KerasTensor]) -> Any:
    """Flat inputs in the structure that the layer takes."""
    if layer.is_model:
        remaining = iter(inputs)
        return map_structure(lambda _: next(remaining), layer.input_structure)  # type: ignore[attr-defined]
    return inputs[0] if layer.n_inputs == 1 or (layer.is_python and len(inputs) == 1) else inputs


def replaced(value: Any, function: Any) -> Any:
    """Lists, tuples and dicts with `function` applied to all values in them."""
    if isinstance(value, dict):
        return {key: replaced(item, function) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [replaced(item, function) for item in value]
    return function(value)


# Inputs and outputs


def _write(structure: Any, reference: dict[int, list[Any]], begun: Iterable[str] = ()) -> Any:
    """A structure of tensors with each tensor as a reference. Tuples are marked, because JSON has none."""
    if isinstance(structure, KerasTensor):
        name, number, position = reference[id(structure)]
        return [name, number + (name in begun), position]
    if isinstance(structure, dict):
        return {key: _write(item, reference, begun) for key, item in structure.items()}
    items = [_write(item, reference, begun) for item in structure]
    return {"class_name": "__tuple__", "config": {"value": items}} if isinstance(structure, tuple) else items


def _read(written: Any, tensors: dict[Reference, KerasTensor], begun: Iterable[str] = ()) -> Any:
    if isinstance(written, list) and len(written) == 3 and isinstance(written[0], str):
        name, number, position = written
        return _find(tensors, (name, number - (name in begun), position))
    if isinstance(written, dict) and written.get("class_name") == "__tuple__":
        return tuple(_read(item, tensors, begun) for item in written["config"]["value"])
    if isinstance(written, dict):
        return {key: _read(item, tensors, begun) for key, item in written.items()}
    if not isinstance(written, (list, tuple)):
        raise ValueError(f"Inputs and outputs are written as [layer, call, output], but got {written!r}.")
    return type(written)(_read(item, tensors, begun) for item in written)


def _find(tensors: dict[Reference, KerasTensor], reference: Reference) -> KerasTensor:
    if reference not in tensors:
        raise ValueError(f"Layer {reference[0]!r} has no output {reference[2]!r} of a call {reference[1]!r}.")
    return tensors[reference]


# Reading


def is_functional_config(config: dict[str, Any]) -> bool:
    """Whether a config describes a graph, and not the arguments of a user's class."""
    return all(name in config for name in GRAPH) or "calls" in config


def functional_from_config(cls: Any, config: dict[str, Any]) -> Any:
    """A new model from a config that `functional_config` wrote.

    Raises
    ------
    ValueError
        If a call needs a tensor that no other call makes.
    """
    if "calls" in config:
        config = _from_calls(config)
    layers = {entry.get("name", entry["config"].get("name")): _layer(entry) for entry in config["layers"]}
    calls = {name: _calls_of(entry, layers[name]) for name, entry in zip(layers, config["layers"], strict=True)}
    tensors: dict[Reference, KerasTensor] = {
        (name, 0, 0): layer.output for name, layer in layers.items() if layer.n_inputs == 0
    }
    _make_calls(layers, calls, tensors)
    begun = {name for name, layer in layers.items() if _begins(layer)}
    more = {key: value for key, value in config.items() if key not in (*GRAPH, "name", "trainable", "class_names")}
    inputs, outputs = _read(config["input_layers"], tensors), _read(config["output_layers"], tensors, begun)
    model = cls(inputs=inputs, outputs=outputs, name=config.get("name"), **more)
    model.class_names = config.get("class_names")
    if config.get("trainable") is False:
        model._trainable = False  # each layer has its own
    return model


def _layer(entry: dict[str, Any]) -> Layer:
    layer = registry.deserialize(entry)
    if not isinstance(layer, Layer):
        raise ValueError(f"A model is made of layers, but its config describes {layer!r}.")
    return layer


def _calls_of(entry: dict[str, Any], layer: Layer) -> list[Any]:
    """The calls of a layer. Keras always writes `training`; its default value is left out here."""
    nodes = list(entry["inbound_nodes"])
    default = signature_of(layer).parameters.get("training")
    from_keras = entry.get("from_keras") or str(entry.get("module")).startswith("keras")
    if default is None or default.default is not True or not from_keras:
        return nodes
    return [
        node | {"kwargs": {name: value for name, value in node.get("kwargs", {}).items() if name != "training"}}
        if isinstance(node, dict) and node.get("kwargs", {}).get("training") is True
        else node
        for node in nodes
    ]


def _make_calls(layers: dict[str, Layer], pending: dict[str, list[Any]], tensors: dict[Reference, KerasTensor]) -> None:
    """Make all calls, each one after the calls whose outputs it needs. `pending` lists them by layer."""
    counts = dict.fromkeys(layers, 0)
    while any(pending.values()):
        made = 0
        for name, nodes in pending.items():
            while nodes and all(reference in tensors for reference in _references(nodes[0], layers)):
                args, kwargs = _read_call(nodes.pop(0), tensors)
                layers[name](*args, **kwargs)
                for position, tensor in enumerate(layers[name].nodes[-1].outputs):
                    tensors[name, counts[name], position] = tensor
                counts[name] += 1
                made += 1
        if not made:
            waiting = sorted(name for name, nodes in pending.items() if nodes)
            raise ValueError(f"The graph has a loop, or calls without inputs: layers {waiting} wait for each other.")


def _references(node: Any, layers: dict[str, Layer]) -> Iterator[Reference]:
    """References to the tensors that a call needs."""
    for tensor in _tensors_in(node):
        name, number, position = tensor
        if name not in layers:
            raise ValueError(f"Missing node: {name}. A call needs it, but no layer has that name.")
        yield name, number, position


def _tensors_in(node: Any) -> Iterator[Sequence[Any]]:
    if isinstance(node, dict) and node.get("class_name") == TENSOR:
        yield node["config"]["keras_history"]
    elif _is_old_reference(node):
        yield node[:3]
    elif isinstance(node, (dict, list, tuple)):
        for item in node.values() if isinstance(node, dict) else node:
            yield from _tensors_in(item)


def _is_old_reference(node: Any) -> bool:
    """Whether this is Keras 2's form of a tensor: [layer, call, output, keyword arguments]."""
    return isinstance(node, list) and len(node) in (3, 4) and isinstance(node[0], str) and isinstance(node[1], int)


def _read_call(node: Any, tensors: dict[Reference, KerasTensor]) -> tuple[list[Any], dict[str, Any]]:
    """Positional and keyword arguments of a call, without keyword arguments that are ``None``."""
    if isinstance(node, list):
        found = [tensors[_reference(item)] for item in node]
        return [found[0] if len(found) == 1 else found], dict(node[0][3]) if len(node[0]) > 3 else {}
    kwargs = {name: _revived(value, tensors) for name, value in node.get("kwargs", {}).items()}
    args = [_revived(value, tensors) for value in node["args"]]
    return args, {name: value for name, value in kwargs.items() if not _is_nothing(value)}


def _reference(history: Sequence[Any]) -> Reference:
    name, number, position = history[:3]
    return name, number, position


def _revived(value: Any, tensors: dict[Reference, KerasTensor]) -> Any:
    if isinstance(value, dict) and value.get("class_name") == TENSOR:
        return tensors[_reference(value["config"]["keras_history"])]
    if isinstance(value, dict) and "class_name" not in value:
        return {key: _revived(item, tensors) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_revived(item, tensors) for item in value]
    return from_config(value)


def _is_nothing(value: Any) -> bool:
    """Whether a value is ``None``, or lists or dicts of ``None``. Keras writes them if there was no mask."""
    if isinstance(value, (list, dict)):
        return all(map(_is_nothing, value.values() if isinstance(value, dict) else value))
    return value is None


def _from_calls(config: dict[str, Any]) -> dict[str, Any]:
    """Convert a config from this library's first format, a list of all calls, to Keras's."""
    entries = [{**entry, "inbound_nodes": []} for entry in config["layers"]]
    by_name = {entry["name"]: entry for entry in entries}
    for call in config["calls"]:
        tensors = [{"class_name": TENSOR, "config": {"keras_history": history}} for history in call["inputs"]]
        args = [tensors if len(tensors) > 1 else tensors[0]]
        by_name[call["layer"]]["inbound_nodes"].append({"args": args, "kwargs": {"training": call["training"]}})
    begun = {entry["name"] for entry in entries if _begins_old(entry)}
    return {
        "name": config["name"],
        "layers": entries,
        "input_layers": _old_structure(config["inputs"], ()),
        "output_layers": _old_structure(config["outputs"], begun),
    }


def _begins_old(entry: dict[str, Any]) -> bool:
    return "calls" in entry["config"]


def _old_structure(written: dict[str, Any], begun: Iterable[str]) -> Any:
    if "tensor" in written:
        name, number, position = written["tensor"]
        return [name, number + (name in begun), position]
    if "dict" in written:
        return {key: _old_structure(item, begun) for key, item in written["dict"].items()}
    return [_old_structure(item, begun) for item in written["list"]]


def takes_a_graph(cls: Any) -> bool:
    """Whether the constructor takes the arguments of `Model` or `Sequential`, and not arguments of its own."""
    return _takes_a_graph(cls)


@functools.cache
def _takes_a_graph(cls: Any) -> bool:
    parameters = inspect.signature(cls).parameters.values()
    kinds = {parameter.kind for parameter in parameters}
    anything = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} <= kinds
    return anything or cls.graph_arguments <= {parameter.name for parameter in parameters}
