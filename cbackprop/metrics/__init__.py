"""Metrics: numbers that people read, and that training does not see."""

from __future__ import annotations

from typing import Any

from cbackprop.losses.crossentropy import (
    binary_crossentropy,
    categorical_crossentropy,
    sparse_categorical_crossentropy,
)
from cbackprop.losses.regression import huber, log_cosh, mean_absolute_error, mean_squared_error
from cbackprop.losses.row_function import owner
from cbackprop.metrics.accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
)
from cbackprop.metrics.crossentropy import BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy
from cbackprop.metrics.metric import Metric, RowMean, registry
from cbackprop.metrics.regression import LogCoshError, MeanAbsoluteError, MeanSquaredError, RootMeanSquaredError

__all__ = [
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "LogCoshError",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "RootMeanSquaredError",
    "RowMean",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "as_metric",
    "binary_accuracy",
    "binary_crossentropy",
    "categorical_accuracy",
    "categorical_crossentropy",
    "deserialize",
    "get",
    "huber",
    "log_cosh",
    "mean_absolute_error",
    "mean_squared_error",
    "registry",
    "serialize",
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
]


def get(identifier: Any) -> Any:
    """The metric that a name, a config, a class or an object stands for.

    Raises
    ------
    ValueError
        For an unknown name (the message names the nearest known ones).
    TypeError
        For anything that cannot stand for a metric.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.metrics.get("sparse_categorical_accuracy")
    SparseCategoricalAccuracy()
    """
    return registry.get(identifier)


def as_metric(identifier: Any) -> Metric:
    """As `get`, but always a `Metric` object: a function becomes an object of the class that it belongs to.

    Raises
    ------
    ValueError
        For an unknown name.
    TypeError
        For anything that is not a metric of this library.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.metrics.as_metric(cb.metrics.binary_accuracy)
    BinaryAccuracy()
    """
    cls = owner(identifier)
    found = registry.get(identifier) if cls is None else _mean_of(cls, identifier.__name__)
    if not isinstance(found, Metric):
        raise TypeError(f"Expected a metric, its name or its config, but got {identifier!r}.")
    return found


def _mean_of(cls: Any, name: str) -> Metric | None:
    """A metric object that is the plain mean of what a loss's or a metric's class computes, if there is one."""
    for _, entry in registry:
        plain = issubclass(entry, RowMean) and entry.result is RowMean.result
        if entry is cls or (plain and entry.implementation == cls.implementation):
            found: Metric = entry(name=name)
            return found
    return None


def serialize(metric: Any) -> Any:
    """A metric as plain values."""
    return registry.serialize(metric)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The metric that `serialize` described."""
    return registry.deserialize(config, custom_objects)
