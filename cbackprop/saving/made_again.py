"""Check whether `load_model` can rebuild the layers of a model from their configs."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

__all__ = ["not_made_again"]

# Entries of a config that describe a graph, and entries that `from_config` sets itself.
GRAPH = {"layers", "input_layers", "output_layers", "build_input_shape"}
SET_LATER = {"name", "trainable", "dtype"}


def not_made_again(model: Any) -> list[str]:
    """Layers of users' classes (or the model itself) that `load_model` could not rebuild, each with the reason."""
    return list(_reasons(model))


def _reasons(layer: Any) -> Iterator[str]:
    cls = type(layer)
    if _is_users(cls) and not _is_users(cls.from_config) and (reason := _reason(layer)):
        yield f"{cls.__name__} {layer.name!r} ({reason})"
    if layer.is_model:
        for inner in layer.layers:
            yield from _reasons(inner)


def _is_users(thing: Any) -> bool:
    """Whether a class or a method is defined outside of this library."""
    return not str(getattr(thing, "__module__", "")).startswith("cbackprop.")


def _reason(layer: Any) -> str | None:
    cls, config = type(layer), layer.get_config()
    if layer.is_model and cls._takes_a_graph():
        more = set() if hasattr(layer, "add") else config.keys() - GRAPH - SET_LATER
        names = cls.graph_arguments | {"name"} | more
    else:
        if _is_users(cls.__init__) and "_arguments" not in layer.__dict__ and not _is_users(cls.get_config):
            return "its constructor was given positional arguments without names"
        names = config.keys() - (SET_LATER - set(cls.argument_names()))
        made_with = layer.__dict__.get("_made_with")
        if made_with not in (None, len(layer.layers) if layer.is_model else None):
            return f"its constructor makes {made_with} layers, but the model has {len(layer.layers)}"
    try:
        inspect.signature(cls.__init__).bind(layer, **dict.fromkeys(names))
    except TypeError as error:
        return f"its constructor would be given {sorted(names)}: {error}"
    return None
