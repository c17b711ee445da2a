"""Configs of layers: arguments as plain values, and layers made from them."""

from __future__ import annotations

import inspect
from typing import Any

from cbackprop import shared_objects
from cbackprop.config_reading import from_config, reading
from cbackprop.layers.recorded_arguments import as_given

__all__ = ["made_from", "written"]


def written(layer: Any, own: dict[str, Any] | None, writes_own: bool) -> dict[str, Any]:
    """The config of a layer.

    Parameters
    ----------
    layer : Layer
    own : dict or None
        The arguments of a layer of this library as plain values. ``None`` for a layer of a user's class, whose
        arguments were recorded when it was made.
    writes_own : bool
        Whether a class on the way overrides `get_config`: that one then writes the arguments of the user's class.
    """
    takes: Any = ()
    if own is None:
        given = layer.__dict__["_arguments"]
        with shared_objects.writing():
            names = _arguments_of_library(layer) if writes_own and not layer.is_model else set(given)
            own = as_given(layer, given, names)
        takes = inspect.signature(type(layer).__init__).parameters
    if "input_shape" not in takes:
        own.pop("input_shape", None)
    if own.get("activity_regularizer") is None:
        own.pop("activity_regularizer", None)
    base = {"name": layer.name, "trainable": layer.trainable, "dtype": layer.dtype}
    return base | {name: value for name, value in own.items() if name not in base}


def _arguments_of_library(layer: Any) -> set[str]:
    """The arguments of the class of this library that a user's class is derived from."""
    built_in: Any = next(cls for cls in type(layer).__mro__ if cls.__module__.startswith("cbackprop."))
    return set(built_in.argument_names())


def made_from(cls: Any, config: dict[str, Any]) -> Any:
    """The layer that `get_config` described. Layers among its arguments are made again, unless they are shared."""
    with shared_objects.reading(), reading(cls.__name__, config):
        arguments = {name: from_config(value) for name, value in config.items()}
        known = cls.argument_names()
        later = {n: arguments.pop(n) for n in ("name", "trainable", "dtype") if n in arguments and n not in known}
        layer = cls(**arguments)
        for name in later.keys() & {"name", "trainable"}:
            if getattr(layer, name) != later[name]:  # frozen layers within stay as the constructor makes them
                setattr(layer, name, later[name])
    return layer
