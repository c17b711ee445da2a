"""Copies of models."""

from __future__ import annotations

from typing import Any

from cbackprop.config import copying_to
from cbackprop.layers.layer import registry
from cbackprop.layers.random_layer import RandomLayer
from cbackprop.plan.graph import unfolded_layers
from cbackprop.registry import own_objects

__all__ = ["clone_model", "float64_copy"]


def clone_model(model: Any) -> Any:
    """A new model with the same layers and new weights.

    Parameters
    ----------
    model : Model

    Returns
    -------
    Model
        Not compiled.

    Raises
    ------
    TypeError
        If `model` is no model.

    Examples
    --------
    >>> import cbackprop as cb
    >>> model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(1)])
    >>> cb.models.clone_model(model).count_params()
    3
    """
    if not getattr(model, "is_model", False):
        raise TypeError(f"clone_model takes a model, but got {type(model).__name__}.")
    with own_objects.copying():
        return type(model).from_config(model.get_config())


def float64_copy(model: Any) -> Any:
    """The same model with the same weights in float64, whatever its own type."""
    with own_objects.copying(), copying_to("float64"):
        config = registry.serialize(model)
        _set_dtype(config)
        copy = registry.deserialize(config)
    for old, new in zip(unfolded_layers(model), unfolded_layers(copy), strict=True):
        if isinstance(old, RandomLayer) and isinstance(new, RandomLayer):
            new.stream = old.stream
    copy.set_weights(model.get_weights())
    return copy


def _set_dtype(value: Any) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "dtype" and item == "float32":
                value[key] = "float64"
            _set_dtype(item)
    elif isinstance(value, list):
        for item in value:
            _set_dtype(item)
