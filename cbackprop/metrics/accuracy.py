"""How often predictions are right."""

from __future__ import annotations

from typing import Any

from cbackprop.metrics.metric import RowMean, registry

__all__ = ["SparseCategoricalAccuracy"]


@registry.register()
class SparseCategoricalAccuracy(RowMean):
    """Share of rows whose largest prediction is at the true class: ``mean([argmax(y_pred) = y_true])``.

    Parameters
    ----------
    name : str, default "sparse_categorical_accuracy"
    dtype : {"float32", "float64"}, optional

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> metric = cb.metrics.SparseCategoricalAccuracy()
    >>> float(metric([1, 0], [[0.2, 0.8], [0.3, 0.7]]))
    0.5
    """

    implementation = "metrics.accuracy.SparseCategoricalAccuracy"
    target_kind = "index"

    def __init__(self, name: str | None = "sparse_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(name, dtype)
