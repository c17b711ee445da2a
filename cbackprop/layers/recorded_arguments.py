"""The arguments that a user's layer was made with: noted by its constructor, and written into its config.

So a class needs no `get_config` of its own.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from cbackprop.config_writing import to_config

__all__ = ["as_given", "recording"]


class UnwritableArgumentError(NotImplementedError, TypeError):
    """An argument of a user's layer has no form as plain values; Keras says that get_config is not implemented."""


def recording(constructor: Callable[..., None]) -> Callable[..., None]:
    """A user's constructor that records its arguments, so that the class needs no `get_config`."""

    @functools.wraps(constructor)
    def recorded(self: Any, *args: Any, **kwargs: Any) -> None:
        outermost = type(self).__init__ is recorded
        constructor(self, *args, **kwargs)
        if outermost and (given := bound_arguments(constructor, args, kwargs)) is not None:
            self.__dict__["_arguments"] = given  # if the attribute is set from now on, the argument has a new value
            if self.is_model:
                self.__dict__["_made_with"] = len(self.layers)

    return recorded


def bound_arguments(
    constructor: Callable[..., None], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any] | None:
    """The arguments of a constructor's call by their names; ``None`` if they have no names."""
    signature = inspect.signature(constructor)
    given = dict(signature.bind(None, *args, **kwargs).arguments)
    named_ones: dict[str, Any] = {}
    for parameter in list(signature.parameters.values())[1:]:
        if parameter.kind is parameter.VAR_POSITIONAL and given.get(parameter.name):
            return None
        if parameter.kind is parameter.VAR_KEYWORD:
            named_ones |= given.get(parameter.name, {})
        elif parameter.name in given and parameter.kind is not parameter.VAR_POSITIONAL:
            named_ones[parameter.name] = given[parameter.name]
    return named_ones


def as_given(layer: Any, given: dict[str, Any], wanted: set[str]) -> dict[str, Any]:
    """The `wanted` arguments among those that a layer was `given`, as plain values, without settings of every layer.

    Raises
    ------
    UnwritableArgumentError
        If one of them cannot be written as plain values: the class then needs a `get_config` of its own.
    """
    names = wanted - {"name", "trainable", "dtype"}
    return {name: _plain(layer, name, value) for name, value in given.items() if name in names}


def _plain(layer: Any, name: str, value: Any) -> Any:
    try:
        return to_config(value)
    except TypeError as error:
        raise UnwritableArgumentError(
            f"{type(layer).__name__} {layer.name!r} has an argument {name!r} that cannot be written: {error} Define "
            "get_config and from_config."
        ) from error
