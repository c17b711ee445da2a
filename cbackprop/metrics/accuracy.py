"""Accuracies: how often predictions are right."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop.losses.row_function import float_type_of, row_function_of
from cbackprop.losses.target import as_array
from cbackprop.metrics.metric import RowMean, registry
from cbackprop.validation import check_boolean, check_integer, check_number

__all__ = [
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "binary_accuracy",
    "categorical_accuracy",
    "sparse_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
    "top_k_categorical_accuracy",
]


@registry.register()
class Accuracy(RowMean):
    """Fraction of predictions that equal their targets: ``mean([y_pred = y_true])``.

    The name ``"accuracy"`` in `compile` does not mean this class: as in Keras, it means the accuracy that suits the
    output and its loss.

    Parameters
    ----------
    name : str, default "accuracy"
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    ValueError
        For an unknown dtype.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> float(cb.metrics.Accuracy()([1, 2, 3, 4], [0, 2, 3, 4]))
    0.75
    """

    implementation = "metrics.accuracy.Accuracy"
    elementwise = True

    def __init__(self, name: str | None = "accuracy", dtype: Any = None) -> None:
        super().__init__(dtype, name)


@registry.register()
class BinaryAccuracy(RowMean):
    """Fraction of predictions on their label's side of a threshold: ``mean([[y_pred > threshold] = y_true])``.

    Parameters
    ----------
    name : str, default "binary_accuracy"
    dtype : {"float32", "float64"}, optional
    threshold : float, default 0.5
        Predictions above it count as 1, all others as 0.

    Raises
    ------
    TypeError, ValueError
        If `threshold` is not a finite number; for an unknown dtype.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> float(cb.metrics.BinaryAccuracy()([[1], [1], [0], [0]], [[0.98], [1.0], [0.0], [0.6]]))
    0.75
    """

    implementation = "metrics.accuracy.BinaryAccuracy"
    elementwise = True

    def __init__(self, name: str | None = "binary_accuracy", dtype: Any = None, threshold: float = 0.5) -> None:
        super().__init__(dtype, name)
        self.threshold = check_number("threshold", threshold)


@registry.register()
class CategoricalAccuracy(RowMean):
    """Fraction of rows whose largest prediction is at the largest label: ``mean([argmax(y_pred) = argmax(y_true)])``.

    Parameters
    ----------
    name : str, default "categorical_accuracy"
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    ValueError
        For an unknown dtype.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> metric = cb.metrics.CategoricalAccuracy()
    >>> float(metric([[0, 1], [1, 0]], [[0.2, 0.8], [0.3, 0.7]]))
    0.5
    """

    implementation = "metrics.accuracy.CategoricalAccuracy"

    def __init__(self, name: str | None = "categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(dtype, name)


@registry.register()
class SparseCategoricalAccuracy(RowMean):
    """Fraction of rows whose largest prediction is at the true class: ``mean([argmax(y_pred) = y_true])``.

    Parameters
    ----------
    name : str, default "sparse_categorical_accuracy"
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    ValueError
        For an unknown dtype.

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
    tolerates_labels = True
    target_kind = "index"

    def __init__(self, name: str | None = "sparse_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(dtype, name)


@registry.register()
class TopKCategoricalAccuracy(RowMean):
    """Fraction of rows in which the prediction at the largest label is among the k largest.

    Parameters
    ----------
    k : int, default 5
        The true class counts as found if fewer than k predictions of the row are larger than its own.
    name : str, default "top_k_categorical_accuracy"
    dtype : {"float32", "float64"}, optional

    Raises
    ------
    TypeError, ValueError
        If `k` is not a positive integer; for an unknown dtype.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> metric = cb.metrics.TopKCategoricalAccuracy(k=1)
    >>> float(metric([[0, 0, 1], [0, 1, 0]], [[0.1, 0.9, 0.8], [0.05, 0.95, 0]]))
    0.5
    """

    implementation = "metrics.accuracy.TopKCategoricalAccuracy"

    def __init__(self, k: int = 5, name: str | None = "top_k_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.k = check_integer("k", k, 1)


@registry.register()
class SparseTopKCategoricalAccuracy(RowMean):
    """Fraction of rows in which the prediction of the true class is among the k largest.

    Parameters
    ----------
    k : int, default 5
        The true class counts as found if fewer than k predictions of the row are larger than its own.
    name : str, default "sparse_top_k_categorical_accuracy"
    dtype : {"float32", "float64"}, optional
    from_sorted_ids : bool, default False
        Whether `y_pred` holds class numbers, the most probable first. Then the first k of each row are used.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if a label is not a class in [0, classes).

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> metric = cb.metrics.SparseTopKCategoricalAccuracy(k=1)
    >>> float(metric([2, 1], [[0.1, 0.9, 0.8], [0.05, 0.95, 0]]))
    0.5
    """

    implementation = "metrics.accuracy.SparseTopKCategoricalAccuracy"
    tolerates_labels = True
    target_kind = "index"

    def __init__(
        self,
        k: int = 5,
        name: str | None = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
        from_sorted_ids: bool = False,
    ) -> None:
        super().__init__(dtype, name)
        self.k = check_integer("k", k, 1)
        self.from_sorted_ids = check_boolean("from_sorted_ids", from_sorted_ids)

    def unit_values(
        self, y_true: ArrayLike, y_pred: ArrayLike, by_element: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
        """The value of each row. Labels may have any shape with one label for each row, in order."""
        labels, rows = as_array("y_true", y_true), np.shape(y_pred)[:-1]
        if labels.size == math.prod(rows):
            labels = labels.reshape(rows)
        return super().unit_values(labels, y_pred, by_element)


@row_function_of(BinaryAccuracy)
def binary_accuracy(y_true: ArrayLike, y_pred: ArrayLike, threshold: float = 0.5) -> NDArray[Any]:
    """1 for each prediction on its label's side of a threshold, else 0: `BinaryAccuracy` without the mean.

    Parameters
    ----------
    y_true, y_pred : array_like
        Both of the same shape.
    threshold : float, default 0.5
        Predictions above it count as 1, all others as 0.

    Returns
    -------
    ndarray, of the shape of `y_pred`

    Raises
    ------
    TypeError, ValueError
        See `BinaryAccuracy`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.metrics.binary_accuracy([[1, 0], [1, 0]], [[0.9, 0.8], [0.7, 0.1]]).tolist()
    [[1.0, 0.0], [1.0, 1.0]]
    """
    metric = BinaryAccuracy(dtype=float_type_of(y_pred), threshold=threshold)
    return metric.row_values(y_true, np.asarray(y_pred)[..., np.newaxis]).astype(metric.dtype)


@row_function_of(CategoricalAccuracy)
def categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[Any]:
    """1 for each row whose largest prediction is at the largest label, 0 for the others.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (..., classes)

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        See `CategoricalAccuracy`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.metrics.categorical_accuracy([[0, 1], [1, 0]], [[0.2, 0.8], [0.3, 0.7]]).tolist()
    [1.0, 0.0]
    """
    metric = CategoricalAccuracy(dtype=float_type_of(y_pred))
    return metric.row_values(y_true, y_pred).astype(metric.dtype)


@row_function_of(SparseCategoricalAccuracy)
def sparse_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[Any]:
    """1 for each row whose largest prediction is at the true class, 0 for the others.

    Parameters
    ----------
    y_true : array_like of int, shape (...,)
    y_pred : array_like, shape (..., classes)

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        See `SparseCategoricalAccuracy`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.metrics.sparse_categorical_accuracy([1, 0], [[0.2, 0.8], [0.3, 0.7]]).tolist()
    [1.0, 0.0]
    """
    metric = SparseCategoricalAccuracy(dtype=float_type_of(y_pred))
    return metric.row_values(y_true, y_pred).astype(metric.dtype)


@row_function_of(TopKCategoricalAccuracy)
def top_k_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike, k: int = 5) -> NDArray[Any]:
    """1 for each row in which the prediction at the largest label is among the k largest, 0 for the others.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (..., classes)
    k : int, default 5
        The true class counts as found if fewer than k predictions of the row are larger than its own.

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        See `TopKCategoricalAccuracy`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.metrics.top_k_categorical_accuracy([[0, 0, 1], [0, 1, 0]], [[0.1, 0.9, 0.8], [0.05, 0.95, 0]], k=1).tolist()
    [0.0, 1.0]
    """
    metric = TopKCategoricalAccuracy(k, dtype=float_type_of(y_pred))
    return metric.row_values(y_true, y_pred).astype(metric.dtype)


@row_function_of(SparseTopKCategoricalAccuracy)
def sparse_top_k_categorical_accuracy(
    y_true: ArrayLike, y_pred: ArrayLike, k: int = 5, from_sorted_ids: bool = False
) -> NDArray[Any]:
    """1 for each row in which the prediction of the true class is among the k largest, 0 for the others.

    Parameters
    ----------
    y_true : array_like of int, shape (...,)
        Any other shape with one class number for each row, in order, is accepted as well.
    y_pred : array_like, shape (..., classes)
    k : int, default 5
        The true class counts as found if fewer than k predictions of the row are larger than its own.
    from_sorted_ids : bool, default False
        Whether `y_pred` holds class numbers, the most probable first. Then the first k of each row are used.

    Returns
    -------
    ndarray, of the shape of `y_true`

    Raises
    ------
    TypeError, ValueError
        See `SparseTopKCategoricalAccuracy`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.metrics.sparse_top_k_categorical_accuracy([2, 1], [[0.1, 0.9, 0.8], [0.05, 0.95, 0]], k=1).tolist()
    [0.0, 1.0]
    """
    metric = SparseTopKCategoricalAccuracy(k, dtype=float_type_of(y_pred), from_sorted_ids=from_sorted_ids)
    return metric.row_values(y_true, y_pred).astype(metric.dtype).reshape(np.shape(y_true))
