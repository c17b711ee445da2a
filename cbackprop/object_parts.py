"""The objects that an object holds, and whether there is a layer among them."""

from __future__ import annotations

import inspect
from typing import Any

__all__ = ["holds_layers", "parts_of"]


def holds_layers(value: Any) -> bool:
    """Whether an object leads to a layer: through attributes, items, or the variables that a function binds."""
    pending, seen = [value], set()
    while pending:
        thing = pending.pop()
        if id(thing) in seen or inspect.ismodule(thing) or inspect.isclass(thing):
            continue
        seen.add(id(thing))
        if hasattr(type(thing), "is_model"):
            return True
        pending.extend(parts_of(thing))
    return False


def parts_of(thing: Any) -> list[Any]:
    """The objects that an object holds directly."""
    if isinstance(thing, dict):
        return list(thing.values())
    if isinstance(thing, (list, tuple, set, frozenset)):
        return list(thing)
    if inspect.isfunction(thing):
        bound = inspect.getclosurevars(thing).nonlocals if thing.__closure__ else {}
        return [*bound.values(), *(thing.__defaults__ or ())]
    if inspect.ismethod(thing):
        return [thing.__self__]
    return list(vars(thing).values()) if hasattr(thing, "__dict__") else []
