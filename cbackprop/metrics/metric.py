"""The base of all metrics."""

from __future__ import annotations

import importlib
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from cbackprop import config
from cbackprop.losses.target import check_finite, check_target, check_weights
from cbackprop.registry import Registry, snake_case
from cbackprop.spec import Spec

__all__ = ["Metric", "RowMean", "registry"]

registry = Registry("metric", "metrics")


class Metric(Spec):
    """Base of all metrics: numbers that batches are added to, and a result computed from them.

    Parameters
    ----------
    name : str, optional
        The key in logs and in `History`.
    dtype : {"float32", "float64"}, optional
    """

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        self.name = name or snake_case(type(self).__name__)
        self.dtype = config.floatx() if dtype is None else config.check_float_type(dtype)
        self.reset_state()

    def reset_state(self) -> None:
        """Forget all batches."""
        raise NotImplementedError

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Add a batch."""
        raise NotImplementedError

    def result(self) -> Any:
        """The metric of all batches so far."""
        raise NotImplementedError

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        """Add a batch, and return the metric of all batches so far."""
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()


class RowMean(Metric):
    """Base of the metrics that are a weighted mean of a value for each row of the predictions."""

    # "module.Class" below cbackprop.compiled and cbackprop.reference: a row function.
    implementation: ClassVar[str]
    # "values": y_true is shaped like y_pred. "index": y_true holds the number of a class for each row.
    target_kind: ClassVar[str] = "values"

    def reset_state(self) -> None:
        """Forget all batches."""
        self.total = 0.0
        self.count = 0.0

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Add a batch.

        Parameters
        ----------
        y_true : array_like
            Shaped like `y_pred`; class numbers, without the last axis, for a sparse metric.
        y_pred : array_like, shape (batch, ..., width)
        sample_weight : array_like, optional
            Shape (batch,), or one weight for each row of `y_pred`.

        Raises
        ------
        ValueError
            If the shapes do not fit, a label is out of range or anything is NaN or infinite.
        """
        prediction = np.array(y_pred, self.dtype, order="C")
        if prediction.ndim == 0:
            raise ValueError("y_pred must have at least one axis.")
        check_finite("y_pred", prediction)
        target = check_target("y_true", y_true, prediction.shape, self.target_kind, self.dtype)
        weights = check_weights("sample_weight", sample_weight, prediction.shape[:-1])
        function = self.row_function(False, self.dtype)
        evaluate = function.values_of_classes if self.target_kind == "index" else function.values
        values = evaluate(target, prediction.reshape(-1, prediction.shape[-1]))
        if weights is None:
            weights = np.ones(len(values))
        self.total += float(values @ weights.ravel())
        self.count += float(weights.sum())

    def result(self) -> Any:
        """The weighted mean so far; 0 before any batch."""
        return np.dtype(self.dtype).type(self.total / self.count if self.count else 0.0)

    def row_function(self, linked: bool, dtype: str) -> Any:
        """The compiled function that gives each row its value."""
        module, _, name = self.implementation.rpartition(".")
        compiled = importlib.import_module(f"cbackprop.compiled.{module}")
        return getattr(compiled, name)(self, linked, dtype == "float64")
