"""Convert this library's config of a model to Keras's config of the same model: the inverse of `architecture`."""

from __future__ import annotations

from typing import Any

from cbackprop.families import families
from cbackprop.saving.keras.operations import OPERATIONS, operation_entry

__all__ = ["keras_compile_config", "keras_model_config"]

Entry = dict[str, Any]

# Classes and functions that Keras does not have, by family.
LACKING = {
    "losses": {
        "GaussianNegativeLogLikelihood",
        "StudentTNegativeLogLikelihood",
        "Quantile",
        "gaussian_negative_log_likelihood",
        "student_t_negative_log_likelihood",
        "quantile",
    },
    "optimizers": {"LBFGS", "LevenbergMarquardt", "Rprop"},
    "regularizers": {"DividedL2"},
}
# Arguments that Keras does not have, for a class or a whole family, and the values that have no effect.
WITHOUT = {
    ("losses", "missing"): (None,),
    ("Discretization", "trainable"): (True, False),
    ("Discretization", "activity_regularizer"): (None,),
    ("SpatialDropout1D", "trainable"): (True, False),
    ("SpatialDropout1D", "activity_regularizer"): (None,),
    ("SpatialDropout2D", "trainable"): (True, False),
    ("SpatialDropout2D", "activity_regularizer"): (None,),
    ("SpatialDropout3D", "trainable"): (True, False),
    ("SpatialDropout3D", "activity_regularizer"): (None,),
    ("Lambda", "backward"): (None,),
}
# Values that are not objects and have the same form in both.
VALUES = {"__numpy__", "__bytes__", "__slice__", "__ellipsis__", "__keras_tensor__", "function"}


def keras_model_config(entry: Entry) -> tuple[Entry, list[str]]:
    """Keras's config of a model, and the names in it that Keras does not have."""
    lacks: list[str] = []
    return _plain(entry, lacks), sorted(set(lacks))


def keras_compile_config(settings: dict[str, Any]) -> tuple[Entry, list[str]]:
    """Keras's config of the arguments of `compile`, and the names in it that Keras does not have."""
    lacks: list[str] = []
    config = _plain({name: settings[name] for name in ("optimizer", "loss", "loss_weights")}, lacks)
    config |= _plain({name: settings[name] for name in ("metrics", "weighted_metrics")}, lacks)
    for name, family in (("loss", "losses"), ("metrics", "metrics"), ("weighted_metrics", "metrics")):
        _check_names(settings[name], family, lacks)
    config |= {
        "run_eagerly": False,
        "steps_per_execution": settings.get("steps_per_execution", 1),
        "jit_compile": False,
    }
    return config, sorted(set(lacks))


def _check_names(value: Any, family: str, lacks: list[str]) -> None:
    """Add names of losses and metrics that Keras does not have to `lacks`."""
    if isinstance(value, str):
        registry = families[family]
        found = registry.find(value) if registry.knows(value) else None
        if getattr(found, "__name__", "") in LACKING.get(family, ()):
            lacks.append(f"{family}.{value}")
    elif isinstance(value, (list, dict)) and "class_name" not in value:
        for item in value.values() if isinstance(value, dict) else value:
            _check_names(item, family, lacks)


def _plain(value: Any, lacks: list[str]) -> Any:
    if isinstance(value, list):
        return [_plain(item, lacks) for item in value]
    if not isinstance(value, dict):
        return value
    name = value.get("class_name")
    if name == "__tuple__":
        return _plain(value["config"]["value"], lacks)
    if name in VALUES:
        return value
    if not isinstance(name, str) or "config" not in value:
        return {key: _plain(item, lacks) for key, item in value.items()}
    return _object(value, lacks)


def _object(entry: Entry, lacks: list[str]) -> Entry:
    """Convert a layer, an initializer and so on. Other parts of its entry, such as calls, are kept."""
    name, module, registered = entry["class_name"], entry["module"], entry["registered_name"]
    config = _plain(entry["config"], lacks)
    if registered is not None:
        return entry | {"module": None, "config": config} | _more(entry, lacks)
    if name in ("Model", "Functional"):
        where = {"module": "keras.src.models.functional", "class_name": "Functional", "registered_name": "Functional"}
        return entry | where | {"config": config} | _more(entry, lacks)
    if name == "Sequential":
        return entry | {"module": "keras", "config": config} | _more(entry, lacks)
    family = module.split(".", 1)[-1]
    if family == "layers" and name in OPERATIONS:
        if "inbound_nodes" in entry:
            return operation_entry(entry)
        lacks.append(f"layers.{name} outside of a functional model")
    if family == "activations" or name in LACKING.get(family, ()):
        lacks.append(f"{family}.{name}" + (" with arguments" if family == "activations" else ""))
        return entry | {"config": config}
    config = _input(config) if name == "InputLayer" else _known_arguments(name, family, config, lacks)
    return entry | {"module": f"keras.{family}", "config": config} | _more(entry, lacks)


def _more(entry: Entry, lacks: list[str]) -> Entry:
    """Convert calls to Keras's form."""
    return {"inbound_nodes": _plain(entry["inbound_nodes"], lacks)} if "inbound_nodes" in entry else {}


def _known_arguments(name: str, family: str, config: Entry, lacks: list[str]) -> Entry:
    kept = dict(config)
    for (cls, argument), harmless in WITHOUT.items():
        if cls not in (name, family) or argument not in kept:
            continue
        if kept[argument] in harmless:
            del kept[argument]
        else:
            lacks.append(f"{family}.{name}({argument}=...)")
    return kept


def _input(config: Entry) -> Entry:
    shape = config.get("batch_shape") or [config.get("batch_size"), *config["shape"]]
    flags = {name: bool(config.get(name)) for name in ("sparse", "ragged", "optional")}
    return {"batch_shape": shape, "dtype": config["dtype"], "name": config["name"], **flags}
