"""Convert objects in Keras's configs to this library's form."""

from __future__ import annotations

from typing import Any

from cbackprop.families import families
from cbackprop.own_objects import own_objects
from cbackprop.shared_objects import SHARED_ID

__all__ = ["plain_object", "plain_value"]

# Arguments that Keras writes and that are kept even if they have no effect.
WITHOUT_EFFECT = {"renorm_momentum", "autocast"}


# The classes of models in Keras.
OF_MODELS = {"Sequential", "Functional", "Model"}

# Entries that `from_config` of layers reads, although they are not arguments of constructors.
BY_LAYERS = ("name", "trainable", "dtype")


def plain_object(entry: dict[str, Any], family: str) -> dict[str, Any]:
    """Convert an object of a family (``"layers"``, ``"losses"``), leaving out arguments of Keras without effect.

    Raises
    ------
    ValueError
        If it has an argument that has an effect but does not exist here.
    """
    name, config, registered = entry["class_name"], entry.get("config") or {}, entry.get("registered_name")
    module = str(entry.get("module"))
    named = module.split(".", 1)[-1]
    if named in families:
        family = named
    known = own_objects.all()
    own = known.get(registered) if isinstance(registered, str) else None
    cls = own or known.get(name) or families[family].find(name)
    described = {
        "module": f"cbackprop.{family}",
        "class_name": name,
        "config": _arguments(cls, config, family),
        "registered_name": registered if own is not None else None,
    }
    return described | {key: entry[key] for key in (SHARED_ID, "build_config") if key in entry}


def _arguments(cls: Any, config: dict[str, Any], family: str) -> dict[str, Any]:
    known = cls.argument_names() if hasattr(cls, "argument_names") else tuple(config)
    if not cls.__module__.startswith("cbackprop."):
        # A user's from_config reads what its own get_config writes.
        known = (*known, *BY_LAYERS) if _reads_as_built_in(cls) else tuple(config)
    kept: dict[str, Any] = {}
    for name, value in config.items():
        if name in known:
            kept[name] = plain_value(value, family)
        elif value is not None and value is not False and name not in WITHOUT_EFFECT:
            raise ValueError(f"{cls.__name__} has {name}={value!r}, an argument that is unknown here.")
    return kept


def _reads_as_built_in(cls: Any) -> bool:
    method = getattr(cls, "from_config", None)
    return hasattr(cls, "is_model") and str(getattr(method, "__module__", "")).startswith("cbackprop.")


def _model_within(kind: str, config: dict[str, Any]) -> dict[str, Any]:
    """A model that is an argument of a layer. Its own `from_config` converts its layers."""
    name = "Sequential" if kind == "Sequential" else "Model"
    return {"module": "cbackprop.layers", "class_name": name, "config": config, "registered_name": None}


def plain_value(value: Any, family: str = "layers") -> Any:
    """Convert a value of a config: functions to names, objects by `plain_object`. Numbers and texts stay."""
    if isinstance(value, (list, tuple)):
        return [plain_value(item, family) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("class_name")
    if not isinstance(kind, str):
        return {key: plain_value(item, family) for key, item in value.items()}
    if kind == "DTypePolicy":
        return value["config"]["name"]
    if kind == "__numpy__":
        return value
    if kind == "__tuple__":
        return plain_value(value["config"]["value"], family)
    if kind in ("function", "__bytes__", "__slice__", "__ellipsis__"):
        return value
    if kind in OF_MODELS and isinstance(value.get("config"), dict) and "layers" in value["config"]:
        return _model_within(kind, value["config"])
    return plain_object(value, family)
