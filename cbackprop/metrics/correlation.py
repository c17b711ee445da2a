"""Cosine similarity and correlations of targets and predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop.losses.row_function import float_type_of, row_function_of
from cbackprop.losses.target import as_array
from cbackprop.metrics.metric import RowMean, registry
from cbackprop.validation import check_integer

__all__ = [
    "ConcordanceCorrelation",
    "CosineSimilarity",
    "PearsonCorrelation",
    "concordance_correlation",
    "pearson_correlation",
]


class AxisMean(RowMean):
    """Base of metrics with a value for each vector along any axis."""

    axis: int

    def runs_in_c(self) -> bool:
        """Whether compiled code can replace `update_state`: it supports only the last axis."""
        return self.axis == -1 and super().runs_in_c()

    def unit_values(
        self, y_true: ArrayLike, y_pred: ArrayLike, by_element: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
        """The value of each vector along the axis. For arguments and errors see `RowFunction.unit_values`."""
        targets, predictions = as_array("y_true", y_true), as_array("y_pred", y_pred)
        if targets.ndim == predictions.ndim - 1 and predictions.shape[-1] == 1:
            targets = targets[..., np.newaxis]
        if self.axis != -1:
            if not -predictions.ndim <= self.axis < predictions.ndim or targets.ndim != predictions.ndim:
                raise ValueError(f"axis is {self.axis}, but got shapes {targets.shape} and {predictions.shape}.")
            targets, predictions = (np.moveaxis(array, self.axis, -1) for array in (targets, predictions))
        return super().unit_values(targets, predictions, by_element)


@registry.register()
class CosineSimilarity(AxisMean):
    """Mean cosine of the angle between targets and predictions: ``sum(y p) / (|y| |p|)``.

    Parameters
    ----------
    name : str, default "cosine_similarity"
    dtype : {"float32", "float64"}, optional
    axis : int, default -1
        The axis along which targets and predictions are compared. Axes other than the last are handled in Python, which
        is slower.

    Raises
    ------
    TypeError, ValueError
        If `axis` is not an integer; for an unknown dtype; when called, if the axis does not exist.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.metrics.CosineSimilarity()([[0, 1], [1, 1]], [[1, 0], [1, 1]])), 4)
    0.5
    """

    implementation = "metrics.correlation.CosineSimilarity"

    def __init__(self, name: str | None = "cosine_similarity", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(dtype, name)
        self.axis = check_integer("axis", axis)


@registry.register()
class PearsonCorrelation(AxisMean):
    """Mean Pearson correlation: ``cov(y, p) / sqrt(var(y) var(p))``. It is NaN if either is constant.

    Parameters
    ----------
    name : str, default "pearson_correlation"
    dtype : {"float32", "float64"}, optional
    axis : int, default -1
        The axis along which targets and predictions are compared. Axes other than the last are handled in Python, which
        is slower.

    Raises
    ------
    TypeError, ValueError
        If `axis` is not an integer; for an unknown dtype; when called, if the axis does not exist.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.metrics.PearsonCorrelation()([[0, 1, 0.5], [1, 1, 0.2]], [[0.1, 0.9, 0.5], [1, 0.9, 0.2]])), 4)
    0.9967
    """

    implementation = "metrics.correlation.PearsonCorrelation"

    def __init__(self, name: str | None = "pearson_correlation", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(dtype, name)
        self.axis = check_integer("axis", axis)


@registry.register()
class ConcordanceCorrelation(AxisMean):
    """Mean concordance: ``2 cov(y, p) / (var(y) + var(p) + (mean(y) - mean(p))^2)``.

    Parameters
    ----------
    name : str, default "concordance_correlation"
    dtype : {"float32", "float64"}, optional
    axis : int, default -1
        The axis along which targets and predictions are compared. Axes other than the last are handled in Python, which
        is slower.

    Raises
    ------
    TypeError, ValueError
        If `axis` is not an integer; for an unknown dtype; when called, if the axis does not exist.

    References
    ----------
    Arguments and defaults are those of Keras 3. Lin (1989), "A concordance correlation
    coefficient to evaluate reproducibility", Biometrics 45.

    Examples
    --------
    >>> import cbackprop as cb
    >>> metric = cb.metrics.ConcordanceCorrelation()
    >>> round(float(metric([[0, 1, 0.5], [1, 1, 0.2]], [[0.1, 0.9, 0.5], [1, 0.9, 0.2]])), 4)
    0.9816
    """

    implementation = "metrics.correlation.ConcordanceCorrelation"

    def __init__(self, name: str | None = "concordance_correlation", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(dtype, name)
        self.axis = check_integer("axis", axis)


@row_function_of(PearsonCorrelation)
def pearson_correlation(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> NDArray[Any]:
    """The Pearson correlation of each row; NaN if targets or predictions of the row are constant.

    Parameters
    ----------
    y_true, y_pred : array_like
        Both of the same shape.
    axis : int, default -1
        The axis along which they are compared.

    Returns
    -------
    ndarray, of the shape of `y_pred` without the axis

    Raises
    ------
    TypeError, ValueError
        See `PearsonCorrelation`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.metrics.pearson_correlation([[0, 1, 0.5], [1, 1, 0.2]], [[0.1, 0.9, 0.5], [1, 0.9, 0.2]]).round(4)
    array([1.    , 0.9934], dtype=float32)
    """
    metric = PearsonCorrelation(dtype=float_type_of(y_pred), axis=axis)
    return metric.row_values(y_true, y_pred).astype(metric.dtype)


@row_function_of(ConcordanceCorrelation)
def concordance_correlation(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> NDArray[Any]:
    """The concordance correlation of each row.

    Parameters
    ----------
    y_true, y_pred : array_like
        Both of the same shape.
    axis : int, default -1
        The axis along which they are compared.

    Returns
    -------
    ndarray, of the shape of `y_pred` without the axis

    Raises
    ------
    TypeError, ValueError
        See `ConcordanceCorrelation`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.metrics.concordance_correlation([[0, 1, 0.5], [1, 1, 0.2]], [[0.1, 0.9, 0.5], [1, 0.9, 0.2]]).round(4)
    array([0.9756, 0.9877], dtype=float32)
    """
    metric = ConcordanceCorrelation(dtype=float_type_of(y_pred), axis=axis)
    return metric.row_values(y_true, y_pred).astype(metric.dtype)
