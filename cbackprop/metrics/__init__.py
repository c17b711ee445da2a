"""Metrics: numbers that report how good predictions are, and do not affect training."""

from __future__ import annotations

import inspect
from typing import Any

from cbackprop.absent import explain
from cbackprop.losses.crossentropy import (
    binary_crossentropy,
    categorical_crossentropy,
    sparse_categorical_crossentropy,
)
from cbackprop.losses.focal import binary_focal_crossentropy, categorical_focal_crossentropy
from cbackprop.losses.margin import categorical_hinge, hinge, squared_hinge
from cbackprop.losses.probabilistic import kl_divergence, poisson
from cbackprop.losses.regression import (
    huber,
    log_cosh,
    mean_absolute_error,
    mean_squared_error,
)
from cbackprop.losses.relative_errors import mean_absolute_percentage_error, mean_squared_logarithmic_error
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
from cbackprop.metrics.margin import CategoricalHinge, Hinge, SquaredHinge
from cbackprop.metrics.metric import Metric, RowMean, registry
from cbackprop.metrics.precision_recall import (
    Precision,
    PrecisionAtRecall,
    Recall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
)
from cbackprop.metrics.probabilistic import KLDivergence, Poisson
from cbackprop.metrics.reduction import Mean, MeanMetricWrapper, Sum
from cbackprop.metrics.regression import (
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
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
    "CategoricalHinge",
    "ConcordanceCorrelation",
    "CosineSimilarity",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "Hinge",
    "IoU",
    "KLDivergence",
    "LogCoshError",
    "Mean",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanIoU",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Metric",
    "MetricVariable",
    "OneHotIoU",
    "OneHotMeanIoU",
    "PearsonCorrelation",
    "Poisson",
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
    "SquaredHinge",
    "Sum",
    "Tally",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "as_metric",
    "binary_accuracy",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_accuracy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_hinge",
    "concordance_correlation",
    "deserialize",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "pearson_correlation",
    "poisson",
    "registry",
    "serialize",
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy",
    "squared_hinge",
    "top_k_categorical_accuracy",
]


def get(identifier: Any) -> Any:
    """Return the metric that is given by a name, a config, a class or an object.

    Raises
    ------
    ValueError
        For an unknown name (the message lists similar known names).
    TypeError
        If the identifier is none of these.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.metrics.get("sparse_categorical_accuracy")
    SparseCategoricalAccuracy()
    """
    return registry.get(identifier)


def as_metric(identifier: Any) -> Metric:
    """Like `get`, but always return a `Metric` object.

    A metric function of this library is replaced by an object of its class, any other function by a
    `MeanMetricWrapper`.

    Raises
    ------
    ValueError
        For an unknown name.
    TypeError
        If the identifier is neither a metric nor a function.

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
    """A metric object with the mean of the values of a loss's or metric's class; ``None`` if there is none."""
    for _, entry in registry:
        plain = issubclass(entry, RowMean) and entry.result is RowMean.result
        if entry is cls or (plain and entry.implementation == cls.implementation):
            found: Metric = entry(name=name)
            return found
    return None


def serialize(metric: Any) -> Any:
    """Describe a metric by plain values, which `deserialize` turns back into a metric."""
    return registry.serialize(metric)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Make the metric that `serialize` described."""
    return registry.deserialize(config, custom_objects)


explain(__name__)
