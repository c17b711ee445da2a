"""Classes and functions of users, by the names that configs and files use."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any

from cbackprop.object_parts import holds_layers

__all__ = ["own_objects"]


class CustomObjects:
    """Classes and functions of users: some are known `everywhere`, some only in a scope of one thread."""

    def __init__(self) -> None:
        self.everywhere: dict[str, Any] = {}
        self._scope: ContextVar[dict[str, Any] | None] = ContextVar("custom objects", default=None)
        self._copied: ContextVar[dict[str, Any] | None] = ContextVar("copied objects", default=None)

    def all(self) -> dict[str, Any]:
        """Everything that is known now, by name."""
        return self.everywhere | (self._scope.get() or {}) | (self._copied.get() or {})

    def find(self, name: str) -> Any:
        """The class or function of this name; ``None`` if there is none."""
        for known in (self._copied.get(), self._scope.get(), self.everywhere):
            if known and name in known:
                return known[name]
        return None

    def add(self, name: str, thing: Any) -> None:
        """Make a class or function known everywhere."""
        self.everywhere[name] = thing

    @property
    def are_copied(self) -> bool:
        """Whether configs are only written to make copies from them at once."""
        return self._copied.get() is not None

    @contextmanager
    def copying(self) -> Iterator[None]:
        """Inside the ``with`` block configs can mention any class or function, whether or not it is registered."""
        token = self._copied.set(self._copied.get() or {})
        try:
            yield
        finally:
            self._copied.reset(token)

    def enter(self, objects: dict[str, Any]) -> Token[dict[str, Any] | None]:
        """Begin a scope in which these are known, too. Give the returned token to `leave`."""
        return self._scope.set((self._scope.get() or {}) | objects)

    def leave(self, token: Token[dict[str, Any] | None]) -> None:
        """End a scope."""
        self._scope.reset(token)

    def name_of(self, thing: Any) -> str | None:
        """The name of a class or function, or of an object's class."""
        name = next((name for name, entry in self.all().items() if entry is thing or entry is type(thing)), None)
        copied = self._copied.get()
        if name is not None or copied is None:
            return name
        own = thing if inspect.isfunction(thing) else type(thing)
        has_config = hasattr(thing, "get_config") and hasattr(thing, "from_config") and not inspect.isclass(thing)
        if own.__module__.partition(".")[0] == "cbackprop" or not (own is thing or has_config):
            return None
        if own is thing and holds_layers(thing):
            raise TypeError(f"{thing!r} binds a layer and so cannot be copied: give the layer as an argument.")
        copied[name := f"{own.__module__}.{own.__qualname__}/{len(copied)}"] = own
        return name


own_objects = CustomObjects()
