"""Convert Keras's config of a model to this library's config of the same model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cbackprop.layers.layer import registry as layer_registry
from cbackprop.own_objects import own_objects
from cbackprop.saving.keras.operations import READABLE, is_operation, operation_layer
from cbackprop.saving.keras.plain import OF_MODELS, plain_object, plain_value
from cbackprop.validation import ArgumentTypeError

__all__ = ["model_config"]

Entry = dict[str, Any]


def model_config(config: Entry) -> Entry:
    """Convert a model's config from Keras to the form of `Registry.serialize`.

    Raises
    ------
    ValueError
        If it contains classes that are unknown here (the message lists all), unsupported arguments, or code.
    """
    entries = list(_entries(config))
    for entry in entries:
        if entry["class_name"] == "Lambda" and _holds_code(entry["config"]):
            name = entry["config"].get("name")
            raise ValueError(
                f"its Lambda {name!r} holds code, which is never run. Write a class instead, in Keras and here, and "
                "give it as custom_objects."
            )
    unknown = sorted({name for name in map(_unknown_class, entries) if name})
    if unknown:
        raise ArgumentTypeError(
            f"it uses classes that are unknown here: {', '.join(unknown)}. Pass your own classes as custom_objects."
        )
    return _layer_entry(config)


def _entries(entry: Any) -> Iterator[Entry]:
    """A layer's entry, and the entries of all layers within it."""
    if not isinstance(entry, dict) or not isinstance(entry.get("class_name"), str):
        raise ValueError(f"a layer must be described by a dict with a class_name, but got {str(entry)[:80]!r}.")
    if not isinstance(entry.get("config"), dict):
        raise ValueError(f"{entry['class_name']} has no config.")
    yield entry
    if entry["class_name"] in OF_MODELS or _graph_of_own(entry):
        for inner in entry["config"].get("layers", ()):
            yield from _entries(inner)


def _unknown_class(entry: Entry) -> str | None:
    name, registered = entry["class_name"], entry.get("registered_name")
    known = own_objects.all()
    if name in OF_MODELS or name in known or (isinstance(registered, str) and registered in known):
        return None
    if is_operation(entry):
        return None if name in READABLE else f"{name} (an operation on tensors)"
    return None if layer_registry.knows(name) else registered or name


def _holds_code(config: Any) -> bool:
    if isinstance(config, dict):
        return config.get("class_name") == "__lambda__" or any(map(_holds_code, config.values()))
    return isinstance(config, list) and any(map(_holds_code, config))


def _layer_entry(entry: Entry) -> Entry:
    """One layer, or a model as a layer."""
    name, config = entry["class_name"], entry["config"]
    if name == "Sequential":
        return _entry("Sequential", _sequential(config))
    if name in OF_MODELS:
        return _entry("Model", _functional(config))
    if name == "InputLayer":
        return _entry("InputLayer", _input(config))
    if graph := _graph_of_own(entry):
        described = plain_object(entry | {"config": {}}, "layers")
        return described | {"config": _sequential(config) if graph == "Sequential" else _functional(config)}
    return plain_object(entry, "layers")


def _graph_of_own(entry: Entry) -> str | None:
    """``"Sequential"`` or ``"Functional"`` for a user's model class whose config contains a whole graph."""
    config, known = entry["config"], own_objects.all()
    cls = known.get(str(entry.get("registered_name"))) or known.get(entry["class_name"])
    layers = config.get("layers")
    listed = isinstance(layers, list) and all(isinstance(inner, dict) and "class_name" in inner for inner in layers)
    if not listed or not getattr(cls, "is_model", False):
        return None
    if "input_layers" in config and "output_layers" in config:
        return "Functional"
    return "Sequential" if hasattr(cls, "add") else None


def _entry(class_name: str, config: Entry) -> Entry:
    return {"module": "cbackprop.layers", "class_name": class_name, "config": config, "registered_name": None}


def _input(config: Entry) -> Entry:
    shape = config.get("batch_shape", config.get("batch_input_shape"))
    name = config.get("name")
    if not isinstance(shape, list) or not shape or not all(size is None or isinstance(size, int) for size in shape):
        raise ValueError(f"its input {name!r} has shape {shape}, which is not a shape.")
    if config.get("ragged"):
        raise ValueError(f"its input {name!r} is ragged, which is not supported.")
    flags = {argument: bool(config.get(argument)) for argument in ("sparse", "optional")}
    sizes = {"shape": shape[1:], "batch_size": shape[0]}
    return sizes | {"dtype": plain_value(config.get("dtype")), "name": name} | flags


def _sequential(config: Entry) -> Entry:
    layers = [_layer_entry(entry) for entry in config["layers"]]
    kept = {name: config[name] for name in ("name", "trainable", "build_input_shape", "class_names") if name in config}
    shape = kept.get("build_input_shape")
    # With several inputs there is not a single shape.
    if not isinstance(shape, list) or not all(size is None or isinstance(size, int) for size in shape):
        kept.pop("build_input_shape", None)
    return kept | {"layers": layers}


def _functional(config: Entry) -> Entry:
    layers = []
    for entry in config["layers"]:
        name = entry.get("name", entry["config"].get("name"))
        if is_operation(entry) and entry["class_name"] in READABLE:
            layers.append(operation_layer(entry, name))
        else:
            nodes = list(entry.get("inbound_nodes", ()))
            layers.append(_layer_entry(entry) | {"name": name, "inbound_nodes": nodes, "from_keras": True})
    return {**config, "layers": layers}
