"""Register your own classes and functions by the names that files and configs use."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

from cbackprop.own_objects import own_objects

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "register_keras_serializable",
]


def get_custom_objects() -> dict[str, Any]:
    """Return the dict of everything that is registered, by name. Changes to it take effect.

    Examples
    --------
    >>> import cbackprop as cb
    >>> isinstance(cb.saving.get_custom_objects(), dict)
    True
    """
    return own_objects.everywhere


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[Any], Any]:
    """Decorator that registers your own class or function, so that configs and files can refer to it by name.

    Parameters
    ----------
    package : str, default "Custom"
        The first part of the name.
    name : str, optional
        By default the name of the class or function. It is registered as ``package>name``.

    Raises
    ------
    TypeError
        If a class has no ``get_config``.

    Examples
    --------
    >>> import cbackprop as cb
    >>> @cb.saving.register_keras_serializable("mine")
    ... class Wide(cb.layers.Dense):
    ...     pass
    >>> cb.saving.get_registered_name(Wide)
    'mine>Wide'
    """
    for argument, value in (("package", package), ("name", name)):
        if not isinstance(value, str) and (argument, value) != ("name", None):
            raise TypeError(f"{argument} must be a string, but got {value!r}. Forgot the parentheses?")

    def enter(thing: Any) -> Any:
        if isinstance(thing, type) and not hasattr(thing, "get_config"):
            raise TypeError(f"{thing.__name__} needs a method get_config to be registered.")
        own_objects.add(f"{package}>{name or thing.__name__}", thing)
        return thing

    return enter


def get_registered_name(obj: Any) -> str:
    """Return the name under which a class or function is registered, or else its own name.

    Raises
    ------
    TypeError
        If it has no name.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.saving.get_registered_name(cb.layers.Dense)
    'Dense'
    """
    name = own_objects.name_of(obj) or getattr(obj, "__name__", None)
    if name is None:
        raise TypeError(f"obj must be a class or function, but got {obj!r}.")
    return name


def get_registered_object(
    name: str, custom_objects: dict[str, Any] | None = None, module_objects: dict[str, Any] | None = None
) -> Any:
    """Return the class or function that is registered under a name; ``None`` if there is none.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.saving.get_registered_object("nobody>Nothing") is None
    True
    """
    for known in (own_objects.all(), custom_objects or {}, module_objects or {}):
        if name in known:
            return known[name]
    return None


class CustomObjectScope:
    """Inside a ``with`` block, let configs and files refer to these classes and functions by these names.

    Parameters
    ----------
    custom_objects : dict of str to class or function

    Raises
    ------
    TypeError
        If it is not such a dict.

    Examples
    --------
    >>> import cbackprop as cb
    >>> class Wide(cb.layers.Dense):
    ...     pass
    >>> with cb.saving.CustomObjectScope({"Wide": Wide}):
    ...     cb.layers.deserialize({"class_name": "Wide", "config": {"units": 3}}).units
    3
    """

    def __init__(self, custom_objects: dict[str, Any] | None) -> None:
        given = custom_objects or {}
        if not isinstance(given, dict) or not all(isinstance(name, str) and callable(x) for name, x in given.items()):
            raise TypeError(f"custom_objects must be a dict of names to classes or functions, but got {given!r}.")
        self.custom_objects = given
        self._token: Any = None

    def __enter__(self) -> CustomObjectScope:
        self._token = own_objects.enter(self.custom_objects)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        own_objects.leave(self._token)


custom_object_scope = CustomObjectScope
