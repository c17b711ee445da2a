"""Turn values into plain Python values that JSON can hold, in Keras's form. `config_reading` does the reverse."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from cbackprop import shared_objects
from cbackprop.families import families, family_of
from cbackprop.object_parts import holds_layers
from cbackprop.own_objects import own_objects

__all__ = ["described", "own_config", "to_config"]


def to_config(value: Any) -> Any:
    """`value` as plain Python values that JSON can hold.

    Raises
    ------
    TypeError
        If `value`, or something in it, cannot be written.
    ValueError
        If `value` contains itself.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [to_config(item) for item in value]
    if isinstance(value, dict):
        return {key: to_config(item) for key, item in value.items()}
    if (special := _special_config(value)) is not None:
        return special
    return shared_objects.write(value, lambda: _object_config(value))


def _special_config(value: Any) -> dict[str, Any] | None:
    """Values of Python and NumPy that JSON does not have, as Keras writes them."""
    if isinstance(value, np.ndarray):
        return {"class_name": "__numpy__", "config": {"value": value.tolist(), "dtype": value.dtype.name}}
    if isinstance(value, bytes):
        return {"class_name": "__bytes__", "config": {"value": value.decode("utf-8")}}
    if isinstance(value, slice):
        parts = {"start": value.start, "stop": value.stop, "step": value.step}
        return {"class_name": "__slice__", "config": {name: to_config(part) for name, part in parts.items()}}
    return {"class_name": "__ellipsis__", "config": {}} if value is ... else None


def _object_config(value: Any) -> Any:
    for registry in families.values():
        if registry.name_of(value) is not None:
            return registry.serialize_alone(value)
    if (own := own_objects.name_of(value)) is not None:
        return _function_config(own) if inspect.isroutine(value) else own_config(value, own, None)
    if (family := family_of(value)) is not None:
        return family.serialize_alone(value)
    if inspect.isfunction(value):
        return _function_config(_free_name(value))
    if hasattr(value, "get_config") and hasattr(value, "from_config") and not inspect.isclass(value):
        return own_config(value, type(value).__name__, None)
    if own_objects.are_copied and not holds_layers(value):
        return value
    raise TypeError(
        f"{value!r} of type {type(value).__name__} cannot be written into a config. Give its class the methods "
        "get_config and from_config, or write a get_config for the class that it is an argument of."
    )


def _function_config(name: str) -> dict[str, Any]:
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": name}


def _free_name(function: Any) -> str:
    """The name of a function that is not registered; who reads the config must be given the function by this name.

    Raises
    ------
    TypeError
        If the function is a lambda, or something of this library has the same name.
    """
    name = function.__name__
    if not name.isidentifier():
        raise TypeError(
            f"{function!r} has no name, so a config cannot mention it. Define the function by def, and register it by "
            "@saving.register_keras_serializable()."
        )
    if any(family.knows(name) for family in families.values()):
        raise TypeError(
            f"The function {name!r} has the same name as one of this library, which a reader would take instead. "
            "Register it under another name by @saving.register_keras_serializable()."
        )
    return name


def own_config(thing: Any, name: str, module: str | None) -> Any:
    """The config of what users define: of a class or a function its name, of an object a dict."""
    if not hasattr(thing, "get_config") or inspect.isclass(thing):
        return name
    return described(thing, module, type(thing).__name__, name)


def described(thing: Any, module: str | None, class_name: str, registered_name: str | None) -> dict[str, Any]:
    """The config of an object, in Keras's form."""
    own = _without_objects(thing.get_config())
    config = {"module": module, "class_name": class_name, "config": own, "registered_name": registered_name}
    if hasattr(thing, "get_build_config") and (built := thing.get_build_config()) is not None:
        config["build_config"] = to_config(built)
    return config


def _without_objects(value: Any) -> Any:
    """The result of a user's `get_config`, with layers and other objects replaced by their configs, as in Keras.

    Dicts without objects are not copied: if one is the config of a shared object, it may get a number later.
    """
    if isinstance(value, dict):
        plain = {key: _without_objects(item) for key, item in value.items()}
        return value if all(plain[key] is item for key, item in value.items()) else plain
    if type(value) in (list, tuple):
        items = [_without_objects(item) for item in value]
        return value if all(a is b for a, b in zip(items, value, strict=True)) else type(value)(items)
    return to_config(value)
