"""Classes that hold a part of a public class, so that each file has one subject."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TypeVar

__all__ = ["part_of"]

Part = TypeVar("Part", bound=type)


def part_of(public: str) -> Callable[[Part], Part]:
    """A decorator for a class that holds methods of the class called `public`.

    Python's message for a misspelt argument contains the name of a method's class. Users know only the public one.
    """

    def name_methods(part: Part) -> Part:
        for name, method in vars(part).items():
            if inspect.isfunction(method):
                method.__qualname__ = f"{public}.{name}"
        return part

    return name_methods
