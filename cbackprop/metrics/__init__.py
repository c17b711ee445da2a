"""Metrics: numbers that people read, and that training does not see."""

from __future__ import annotations

import inspect
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
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from cbackprop.metrics.auc import AUC
from cbackprop.metrics.correlation import (
    ConcordanceCorrelation,
    CosineSimilarity,
    PearsonCorrelation,
    concordance_correlation,
    pearson_correlation,
)
from cbackprop.metrics.crossentropy import BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy
from cbackprop.metrics.f_score import F1Score, FBetaScore
from cbackprop.metrics.iou import BinaryIoU, IoU, MeanIoU, OneHotIoU, OneHotMeanIoU
from cbackprop.metrics.metric import Metric, RowMean, registry
from cbackprop.metrics.precision_recall import (
    Precision,
    PrecisionAtRecall,
    Recall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
)
from cbackprop.metrics.reduction import Mean, MeanMetricWrapper, Sum
from cbackprop.metrics.regression import (
    LogCoshError,
    MeanAbsoluteError,
    MeanSquaredError,
    R2Score,
    RootMeanSquaredError,
)
from cbackprop.metrics.tally import Tally
from cbackprop.metrics.thresholds import FalseNegatives, FalsePositives, TrueNegatives, TruePositives
from cbackprop.metrics.variable import MetricVariable
from cbackprop.spec import Spec

__all__ = [
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "BinaryIoU",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "ConcordanceCorrelation",
    "CosineSimilarity",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "IoU",
    "LogCoshError",
    "Mean",
    "MeanAbsoluteError",
    "MeanIoU",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "Metric",
    "MetricVariable",
    "OneHotIoU",
    "OneHotMeanIoU",
    "PearsonCorrelation",
    "Precision",
    "PrecisionAtRecall",
    "R2Score",
    "Recall",
    "RecallAtPrecision",
    "RootMeanSquaredError",
    "RowMean",
    "SensitivityAtSpecificity",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SpecificityAtSensitivity",
    "Sum",
    "Tally",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "as_metric",
    "binary_accuracy",
    "binary_crossentropy",
    "categorical_accuracy",
    "categorical_crossentropy",
    "concordance_correlation",
    "deserialize",
    "get",
    "huber",
    "log_cosh",
    "mean_absolute_error",
    "mean_squared_error",
    "pearson_correlation",
    "registry",
    "serialize",
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy",
    "top_k_categorical_accuracy",
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
    """As `get`, but always a `Metric` object.

    A function of this library becomes an object of the class that it belongs to, any other one a `MeanMetricWrapper`.

    Raises
    ------
    ValueError
        For an unknown name.
    TypeError
        For anything that is neither a metric nor a function.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.metrics.as_metric(cb.metrics.binary_accuracy)
    BinaryAccuracy()
    """
    cls = owner(identifier)
    found = registry.get(identifier) if cls is None else _mean_of(cls, identifier.__name__)
    if found is None and cls is not None:
        found = identifier
    if inspect.isroutine(found) or (callable(found) and not isinstance(found, Spec)):
        return MeanMetricWrapper(found, name=getattr(found, "__name__", None))
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
