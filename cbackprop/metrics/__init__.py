"""Metrics: numbers that people read, and that training does not see."""

from __future__ import annotations

from typing import Any

from cbackprop.metrics.accuracy import SparseCategoricalAccuracy
from cbackprop.metrics.metric import Metric, RowMean, registry

__all__ = ["Metric", "RowMean", "SparseCategoricalAccuracy", "deserialize", "get", "registry", "serialize"]


def get(identifier: Any) -> Any:
    """The metric that a name, a config, a class or an object stands for.

    Raises
    ------
    ValueError
        For an unknown name (the message names the nearest known ones).

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.metrics.get("sparse_categorical_accuracy")
    SparseCategoricalAccuracy()
    """
    return registry.get(identifier)


def serialize(metric: Any) -> Any:
    """A metric as plain values."""
    return registry.serialize(metric)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The metric that `serialize` described."""
    return registry.deserialize(config, custom_objects)
