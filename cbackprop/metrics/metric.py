"""The base of all metrics."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from cbackprop import config
from cbackprop.losses.row_function import RowFunction
from cbackprop.losses.target import as_array, check_weights
from cbackprop.registry import Registry, snake_case
from cbackprop.spec import Spec
from cbackprop.validation import check_name

__all__ = ["Metric", "RowMean", "registry"]

registry = Registry("metric", "metrics")


class Metric(Spec):
    """Base of all metrics: numbers that batches are added to, and a result computed from them.

    Parameters
    ----------
    dtype : {"float32", "float64"}, optional
    name : str, optional
        The key in logs and in `History`.

    Raises
    ------
    ValueError
        For an unknown dtype.
    """

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        self.name = check_name(name) or snake_case(type(self).__name__)
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


class RowMean(Metric, RowFunction):
    """Base of the metrics that are a weighted mean of a value for each row of the predictions."""

    # Each element has a value of its own, so that predictions without a batch axis are a batch of numbers.
    elementwise: ClassVar[bool] = False

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
            Shape (batch,), or one weight for each row of `y_pred`; for a metric of single elements also one weight
            for each element.

        Raises
        ------
        TypeError
            If an array does not hold real numbers.
        ValueError
            If the shapes do not fit, a label is out of range or anything is NaN or infinite.
        """
        predictions = as_array("y_pred", y_pred)
        given = None if sample_weight is None else as_array("sample_weight", sample_weight)
        if self.elementwise and (predictions.ndim == 1 or (given is not None and given.shape == predictions.shape)):
            predictions = predictions[..., np.newaxis]
        values = self.row_values(y_true, predictions)
        weights = check_weights("sample_weight", given, values.shape)
        self.total += float(values.sum() if weights is None else (values * weights).sum())
        self.count += float(values.size if weights is None else weights.sum())

    def result(self) -> Any:
        """The weighted mean so far; 0 before any batch."""
        return np.dtype(self.dtype).type(self.total / self.count if self.count else 0.0)
