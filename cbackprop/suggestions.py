"""Suggest names that exist for one that does not: the last sentence of error messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from types import ModuleType

__all__ = ["nearest", "nearest_of"]


def nearest(name: object, known: Iterable[str]) -> str:
    """The known names that are most like `name`, or all of them, as a sentence."""
    names = sorted(known)
    close = [each for each in names if str(name) == _initials(each)]  # lr for learning_rate
    close = close or [each for each in names if each.lower() == str(name).lower()]
    close = close or difflib.get_close_matches(str(name).lower(), names, n=3, cutoff=0.5)
    if close:
        return "Did you mean " + " or ".join(repr(c) for c in close) + "?"
    return "Known: " + ", ".join(names) + "."


def _initials(name: str) -> str:
    return "".join(word[:1] for word in name.split("_"))


def nearest_of(name: str, module: ModuleType) -> str:
    """The public name in a module that is most like `name`; empty if none is.

    If a public module within has exactly this name, it is that one: ``"layers.Dense"`` for ``"Dense"``.
    """
    for part in getattr(module, "__all__", ()):
        if name in getattr(vars(module).get(part), "__all__", ()):
            return f"{part}.{name}"
    names = {known.lower(): known for known in sorted(getattr(module, "__all__", ()), reverse=True)}
    close = [] if name.startswith("_") else difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.75)
    return names[close[0]] if close else ""
