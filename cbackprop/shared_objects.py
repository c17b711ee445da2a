"""Objects that appear more than once in a config: when it is read, they become one object again.

An object such as a regularizer of several layers is written completely each time. When it appears the second time, all
its configs get the same ``shared_object_id``, as in Keras. By this number a reader finds the object that it has already
made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any

__all__ = ["SHARED_ID", "Writing", "read", "reading", "write", "writing"]

SHARED_ID = "shared_object_id"


class Writing:
    """The objects that have been written to a config, and the objects that are being written now."""

    def __init__(self) -> None:
        # Objects are kept alive, so that no other object gets the same id.
        self._first: dict[int, tuple[Any, dict[str, Any]]] = {}
        self._open: list[int] = []
        self._within: dict[int, set[int]] = {}

    def write(self, thing: Any, describe: Callable[[], Any]) -> Any:
        """See `write`."""
        number = id(thing)
        if number in self._open:
            raise ValueError(f"{thing!r} cannot be written into a config: it holds itself.")
        for outer in self._open:
            self._within.setdefault(outer, set()).add(number)
        self._open.append(number)
        try:
            config = describe()
        finally:
            self._open.pop()
        if not isinstance(config, dict):  # a function is written as its name
            return config
        first = self._first.setdefault(number, (thing, config))[1]
        if first is not config:
            first[SHARED_ID] = config[SHARED_ID] = number
        return config

    def holds(self, outer: Any, inner: Any) -> bool:
        """Whether `inner` was written as a part of `outer`."""
        return id(inner) in self._within.get(id(outer), ())


_writing: ContextVar[Writing | None] = ContextVar("objects written", default=None)
_reading: ContextVar[dict[Any, Any] | None] = ContextVar("objects read", default=None)


@contextmanager
def writing() -> Iterator[Writing]:
    """Share objects among everything written inside the ``with`` block. A nested block belongs to the outer one."""
    current = _writing.get()
    if current is not None:
        yield current
        return
    token = _writing.set(current := Writing())
    try:
        yield current
    finally:
        _writing.reset(token)


def write(thing: Any, describe: Callable[[], Any]) -> Any:
    """The config of an object, made by `describe`, with a shared id if the object has been written before.

    Raises
    ------
    ValueError
        If the object is a part of itself.
    """
    current = _writing.get()
    if current is not None:
        return current.write(thing, describe)
    with writing() as current:
        return current.write(thing, describe)


def reading() -> Reading:
    """Share objects among everything read inside the ``with`` block. A nested block belongs to the outer one."""
    return Reading()


class Reading:
    """The result of `reading`. It is entered for each object, and as a class it takes less time than as a generator."""

    _token: Token[dict[Any, Any] | None] | None = None  # of the outermost block

    def __enter__(self) -> dict[Any, Any]:
        """Begin, and return the objects that have been read, by their numbers."""
        current = _reading.get()
        if current is None:
            self._token = _reading.set(current := {})
        return current

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            _reading.reset(self._token)


def read(config: dict[str, Any], make: Callable[[], Any]) -> Any:
    """The object that a config describes: one with the same shared id that exists already, or else a new one."""
    made = _reading.get()
    if made is None:
        with reading():
            return read(config, make)
    number = config.get(SHARED_ID)
    if not isinstance(number, int):
        return make()
    if number not in made:
        made[number] = make()
    return made[number]
