"""Make values and objects from configs, those of `config_writing` and Keras's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from cbackprop import shared_objects
from cbackprop.families import families
from cbackprop.own_objects import own_objects
from cbackprop.validation import ArgumentTypeError

if TYPE_CHECKING:
    from cbackprop.registry import Registry

__all__ = ["UnknownObjectError", "build_as_noted", "from_config", "reading"]


class UnknownObjectError(ArgumentTypeError):
    """A config names an unknown class or function, usually one that a user defined."""


def reading(what: str, config: Any) -> Reading:
    """Turn errors inside the ``with`` block into errors that say what is wrong with the config of `what`.

    Raises
    ------
    TypeError
        If the config is no dict.
    ValueError
        If an entry is missing or has the wrong form, or the config is nested too deep.
    """
    if not isinstance(config, dict):
        raise TypeError(f"The config of {what} must be a dict, but got {config!r}.")
    return Reading(what)


class Reading:
    """The result of `reading`. It is entered for each object, and as a class it takes less time than as a generator."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (AttributeError, LookupError, StopIteration)):
            raise ValueError(f"The config of {self.what} is incomplete or damaged: {error!r}.") from error
        if isinstance(error, RecursionError):
            raise ValueError(f"The config of {self.what} is nested too deep.") from error


def from_config(value: Any) -> Any:
    """The value that `to_config` was given; tuples become lists.

    Raises
    ------
    TypeError
        If a class or function is unknown.
    ValueError
        If the config holds code, or is damaged.
    """
    if isinstance(value, list):
        return [from_config(item) for item in value]
    if not isinstance(value, dict):
        return value
    name = value.get("class_name")
    if name in _SPECIAL:
        return _SPECIAL[name](value.get("config"))
    if name == "function":
        return _function_from(value)
    registered = value.get("registered_name")
    if name is not None and isinstance(registered, str) and own_objects.find(registered) is not None:
        return shared_objects.read(value, lambda: _own_object_from(value, own_objects.find(registered)))
    if (family := _family_in(value)) is not None:
        _check_registered_name(value)
        return family.deserialize(value)
    if isinstance(name, str) and "config" in value and not isinstance(value["config"], dict):
        raise TypeError(f"Expected 'config' to be a dict for {name!r}, but got {value['config']!r}.")
    if isinstance(name, str) and "config" in value and "module" in value:
        raise UnknownObjectError(
            f"Unknown class {registered or name!r}. If it is your own, pass custom_objects="
            f"{{{registered or name!r}: ...}}, or register it with @saving.register_keras_serializable()."
        )
    return {key: from_config(item) for key, item in value.items()}


def _family_in(value: dict[str, Any]) -> Registry | None:
    """The family of the object that a config describes: its module says which, in this library or in Keras."""
    name, module = value.get("class_name"), value.get("module")
    if not isinstance(name, str) or not isinstance(module, str):
        return None
    root, _, rest = module.partition(".")
    if rest in families:
        return families[rest]
    layers = families.get("layers")
    return layers if root in ("keras", "cbackprop") and layers is not None and layers.knows(name) else None


def _check_registered_name(value: dict[str, Any]) -> None:
    """Refuse an unknown `registered_name`: a class of Keras's has none, so another class was meant.

    Raises
    ------
    ValueError
        If the name is unknown.
    """
    registered, module = value.get("registered_name"), str(value.get("module"))
    known = (value["class_name"], value.get("config"))
    if registered and registered not in known and module.startswith("keras"):
        raise ValueError(
            f"The registered_name {registered!r} is unknown, and {value['class_name']!r} resolved to a Keras built-in, "
            "which has none."
        )


def _own_object_from(value: dict[str, Any], cls: Any) -> Any:
    if not hasattr(cls, "from_config"):
        raise TypeError(f"{cls!r} has no method from_config, so it cannot be made from its config.")
    return build_as_noted(cls.from_config(value.get("config", {})), value)


def build_as_noted(thing: Any, config: dict[str, Any]) -> Any:
    """`thing`; if its config notes the shape that the original was built for, with weights of that shape."""
    if config.get("build_config") and not getattr(thing, "built", True):
        thing.build_from_config(config["build_config"])
    return thing


def _function_from(value: dict[str, Any]) -> Any:
    """The function that a config names, a user's or one of this library."""
    name = value.get("config")
    if not isinstance(name, str):
        raise TypeError(f"Expected 'config' to be a non-null str, the name of a function, but got {name!r}.")
    own = own_objects.all()
    found = own.get(name)
    if found is None and value.get("registered_name") == "function":  # Keras before 3.7 left the package out
        found = next((thing for key, thing in own.items() if key.endswith(f">{name}")), None)
    if found is not None:
        return found
    if value.get("registered_name") not in (None, "", name, "function"):
        raise ValueError(
            f"The registered_name {value['registered_name']!r} is unknown, and {name!r} resolved to a Keras built-in, "
            "which has none."
        )
    for family in families.values():
        if family.knows(name):
            return family.find(name)
    raise UnknownObjectError(
        f"Unknown function {name!r}. If it is your own, pass custom_objects={{{name!r}: ...}}, or register it with "
        "@saving.register_keras_serializable()."
    )


def _array_from(config: Any) -> Any:
    with reading("an array", config):
        dtype, value = np.dtype(config["dtype"]), config["value"]
    if dtype.kind not in "fiub":
        raise ValueError(f"An array in a config holds numbers, not {dtype}.")
    return np.asarray(value, dtype)


def _tuple_from(config: Any) -> tuple[Any, ...]:
    with reading("a tuple", config):
        return tuple(from_config(list(config["value"])))


def _bytes_from(config: Any) -> bytes:
    with reading("bytes", config):
        return bytes(config["value"].encode("utf-8"))


def _slice_from(config: Any) -> slice:
    with reading("a slice", config):
        return slice(*(from_config(config[name]) for name in ("start", "stop", "step")))


def _refuse_code(config: Any) -> Any:
    raise ValueError(
        "A lambda in a config could lead to arbitrary code execution, and is never run, whatever safe_mode says: "
        "register a function."
    )


def _refuse_typespec(config: Any) -> Any:
    if not isinstance(config, (list, tuple)):
        raise TypeError(f"Expected 'config' to be a list or a tuple for __typespec__, but got {config!r}.")
    raise ValueError("TypeSpec is a class of TensorFlow, which is not supported.")


# By the class_name that Keras gives to values that JSON lacks. Older files of this library have "__array__".
_SPECIAL: dict[Any, Callable[[Any], Any]] = {
    "__array__": _array_from,
    "__numpy__": _array_from,
    "__tensor__": _array_from,
    "__tuple__": _tuple_from,
    "__bytes__": _bytes_from,
    "__slice__": _slice_from,
    "__ellipsis__": lambda config: ...,
    "__lambda__": _refuse_code,
    "__typespec__": _refuse_typespec,
}
