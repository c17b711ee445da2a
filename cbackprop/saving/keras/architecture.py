"""Keras's description of a model, turned into the config that this library writes for the same one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cbackprop.layers.layer import registry as layer_registry
from cbackprop.registry import own_objects
from cbackprop.saving.keras.plain import plain_object, plain_value

__all__ = ["model_config"]

MODELS = {"Sequential", "Functional", "Model"}
# Operations on symbolic tensors that are layers here: x + y, x - y, x * y.
OPERATORS = {"Add", "Subtract", "Multiply"}

Entry = dict[str, Any]


def model_config(config: Entry) -> Entry:
    """What `Registry.serialize` would say of the model that Keras describes.

    Raises
    ------
    ValueError
        If it uses classes that are unknown here, all of which are named, arguments that nothing here has, or code.
    """
    entries = list(_entries(config))
    for entry in entries:
        if entry["class_name"] == "Lambda" and _holds_code(entry["config"]):
            name = entry["config"].get("name")
            raise ValueError(
                f"its Lambda {name!r} holds code, which is never run. Make a class of it, in Keras and here, and "
                "give that as custom_objects."
            )
    unknown = sorted({name for name in map(_unknown_class, entries) if name})
    if unknown:
        raise ValueError(
            f"it uses classes that are unknown here: {', '.join(unknown)}. Give those of your own as custom_objects."
        )
    return _layer_entry(config)


def _entries(entry: Any) -> Iterator[Entry]:
    """A layer's entry, and those of all layers inside of it."""
    if not isinstance(entry, dict) or not isinstance(entry.get("class_name"), str):
        raise ValueError(f"a layer is described by a dict with a class_name, but it has {str(entry)[:80]!r}.")
    if not isinstance(entry.get("config"), dict):
        raise ValueError(f"{entry['class_name']} has no config.")
    yield entry
    if entry["class_name"] in MODELS:
        for inner in entry["config"].get("layers", ()):
            yield from _entries(inner)


def _unknown_class(entry: Entry) -> str | None:
    name, registered = entry["class_name"], entry.get("registered_name")
    known = own_objects.all()
    if name in MODELS or name in known or (isinstance(registered, str) and registered in known):
        return None
    if str(entry.get("module")).startswith("keras.src.ops"):
        return None if name in OPERATORS else f"{name} (an operation on tensors)"
    return None if name in {entry for entry, _ in layer_registry} else registered or name


def _holds_code(config: Any) -> bool:
    if isinstance(config, dict):
        return config.get("class_name") == "__lambda__" or any(map(_holds_code, config.values()))
    return isinstance(config, list) and any(map(_holds_code, config))


def _layer_entry(entry: Entry) -> Entry:
    """One layer, or a model as a layer."""
    name, config = entry["class_name"], entry["config"]
    if name == "Sequential":
        return _entry("Sequential", _sequential(config))
    if name in MODELS:
        return _entry("Model", _functional(config))
    if name == "InputLayer":
        return _entry("InputLayer", _input(config))
    return plain_object(entry, "layers")


def _entry(class_name: str, config: Entry) -> Entry:
    return {"module": "cbackprop.layers", "class_name": class_name, "config": config, "registered_name": None}


def _input(config: Entry) -> Entry:
    shape = config.get("batch_shape", config.get("batch_input_shape"))
    name = config.get("name")
    if not isinstance(shape, list) or not shape or not all(isinstance(size, int) for size in shape[1:]):
        raise ValueError(f"its input {name!r} has shape {shape}: every size but the batch's must be known.")
    for argument in ("sparse", "ragged", "optional"):
        if config.get(argument):
            raise ValueError(f"its input {name!r} is {argument}, which no input is here.")
    return {"shape": shape[1:], "batch_size": shape[0], "dtype": plain_value(config.get("dtype")), "name": name}


def _sequential(config: Entry) -> Entry:
    layers = [_layer_entry(entry) for entry in config["layers"]]
    shape = config.get("build_input_shape")
    if isinstance(shape, list) and (not layers or layers[0]["class_name"] not in ("InputLayer", "Sequential", "Model")):
        layers.insert(0, _entry("InputLayer", _input({"batch_shape": shape})))
    return {"name": config.get("name"), "layers": layers}


def _functional(config: Entry) -> Entry:
    layers = [
        {"name": entry.get("name", entry["config"].get("name")), **_layer_entry(entry)} for entry in config["layers"]
    ]
    return {
        "name": config.get("name"),
        "layers": layers,
        "calls": list(_calls(config["layers"])),
        "inputs": _structure(config["input_layers"]),
        "outputs": _structure(config["output_layers"]),
    }


def _structure(written: Any) -> Entry:
    """Inputs or outputs: Keras writes a tensor as [layer, call, output]."""
    if isinstance(written, dict):
        return {"dict": {key: _structure(item) for key, item in written.items()}}
    if isinstance(written, list) and len(written) == 3 and isinstance(written[0], str):
        return {"tensor": written}
    if isinstance(written, list):
        return {"list": [_structure(item) for item in written]}
    raise ValueError(f"its inputs or outputs are {written!r}.")


def _calls(entries: list[Entry]) -> Iterator[Entry]:
    """The calls of layers, each after those that it needs; Keras lists them layer by layer."""
    pending = {entry["name"]: list(entry.get("inbound_nodes", ())) for entry in entries}
    by_name = {entry["name"]: entry for entry in entries}
    made = {(name, 0) for name, nodes in pending.items() if not nodes}
    counts = dict.fromkeys(pending, 0)
    while any(pending.values()):
        before = len(made)
        for name, nodes in pending.items():
            while nodes:
                call = _call(by_name[name], nodes[0])
                if not all((layer, number) in made for layer, number, _ in call["inputs"]):
                    break
                nodes.pop(0)
                made.add((name, counts[name]))
                counts[name] += 1
                yield call
        if len(made) == before:
            raise ValueError(
                f"its layer {next(name for name, left in pending.items() if left)!r} is called on nothing."
            )


def _call(entry: Entry, node: Any) -> Entry:
    name = entry["name"]
    if not isinstance(node, dict) or "args" not in node:
        raise ValueError(f"it is not in the format of Keras 3: the calls of layer {name!r} are no dicts.")
    more = {key: value for key, value in node.get("kwargs", {}).items() if not _is_nothing(value)}
    training = more.pop("training", None)
    if more:
        raise ValueError(f"layer {name!r} is called with {min(more)!r}, which no layer takes here.")
    tensors = list(_tensors(name, node["args"]))
    if str(entry.get("module")).startswith("keras.src.ops") and len({len(ref["shape"]) for ref in tensors}) > 1:
        raise ValueError(f"operation {name!r} combines tensors of different ranks, which layers do otherwise.")
    return {"layer": name, "inputs": [tensor["keras_history"] for tensor in tensors], "training": training}


def _is_nothing(value: Any) -> bool:
    """Whether it is ``None``, or lists or dicts of it: Keras notes that there was no mask."""
    if isinstance(value, (list, dict)):
        return all(map(_is_nothing, value.values() if isinstance(value, dict) else value))
    return value is None


def _tensors(layer: str, arguments: Any) -> Iterator[Entry]:
    """The tensors among the arguments of a call; of a dict in the order of its keys."""
    if isinstance(arguments, dict) and arguments.get("class_name") == "__keras_tensor__":
        yield arguments["config"]
    elif isinstance(arguments, dict):
        for key in sorted(arguments):
            yield from _tensors(layer, arguments[key])
    elif isinstance(arguments, list):
        for item in arguments:
            yield from _tensors(layer, item)
    else:
        raise ValueError(f"layer {layer!r} is called on {arguments!r}, which is no tensor.")
