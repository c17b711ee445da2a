"""Losses: what training makes small."""

from __future__ import annotations

from typing import Any

from cbackprop.losses.crossentropy import SparseCategoricalCrossentropy
from cbackprop.losses.loss import Loss, registry
from cbackprop.losses.regression import MeanSquaredError

__all__ = ["Loss", "MeanSquaredError", "SparseCategoricalCrossentropy", "deserialize", "get", "registry", "serialize"]


def get(identifier: Any) -> Any:
    """The loss that a name, a config, a class or an object stands for.

    Raises
    ------
    ValueError
        For an unknown name (the message names the nearest known ones).

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.get("mse")
    MeanSquaredError()
    """
    return registry.get(identifier)


def as_loss(identifier: Any) -> Loss:
    """As `get`, but always a `Loss` object: a loss function becomes the class that it belongs to.

    Raises
    ------
    ValueError
        For an unknown name.
    TypeError
        For anything that is not a loss of this library.
    """
    found = registry.get(identifier)
    if not isinstance(found, Loss):
        raise TypeError(f"Expected a loss, its name or its config, but got {identifier!r}.")
    return found


def serialize(loss: Any) -> Any:
    """A loss as plain values."""
    return registry.serialize(loss)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The loss that `serialize` described."""
    return registry.deserialize(config, custom_objects)
