"""Recognize losses, metrics and so on of other libraries, and say what to use instead."""

from __future__ import annotations

import inspect
from collections.abc import Container
from typing import Any

__all__ = ["foreign_library", "instead_of_foreign"]

# Libraries whose losses, metrics and so on work on tensors of their own.
FOREIGN = ("keras", "tf_keras", "tensorflow", "torch")


def foreign_library(thing: Any) -> str | None:
    """The library of tensors in which an object's class, one of its bases, or a function is defined."""
    if inspect.isroutine(thing):
        modules = [getattr(thing, "__module__", None) or ""]
    else:
        modules = [cls.__module__ for cls in (thing if inspect.isclass(thing) else type(thing)).__mro__]
    roots = (module.partition(".")[0] for module in modules)
    return next((root for root in roots if root in FOREIGN), None)


def instead_of_foreign(thing: Any, module: str, known: Container[str]) -> str:
    """The end of a message: what to use instead of something of another library; empty if nothing is known.

    Parameters
    ----------
    thing : object
    module : str
        The public module of this library for such things, such as ``"losses"``.
    known : container of str
        The names in it.
    """
    if foreign_library(thing) is None:
        return ""
    name = (thing if inspect.isclass(thing) or inspect.isroutine(thing) else type(thing)).__name__
    here = f"cbackprop.{module}.{name}" if name in known else f"what is in cbackprop.{module}"
    return f": use {here}"
