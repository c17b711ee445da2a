"""Hinge losses, for classifiers with a margin."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike, NDArray

from cbackprop.losses.loss import Loss, loss_function, registry
from cbackprop.losses.row_function import float_type_of

__all__ = [
    "CategoricalHinge",
    "Hinge",
    "SquaredHinge",
    "categorical_hinge",
    "hinge",
    "squared_hinge",
]


@registry.register()
class Hinge(Loss):
    """Hinge loss of labels -1 and 1: ``loss = mean(max(1 - y_true * y_pred, 0))`` over the last axis.

    Labels 0 and 1 are accepted as well: 0 counts as -1.

    Parameters
    ----------
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "hinge"
    dtype : {"float32", "float64"}, optional
    missing : {None, "ignore"}, optional
        "ignore" leaves out targets that are NaN; by default they are refused. See `Loss`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if a label is outside [-1, 1].

    Notes
    -----
    ``d loss / d y_pred = -y_true / width`` where ``y_true * y_pred < 1``, and 0 elsewhere.

    References
    ----------
    Cortes and Vapnik, "Support-vector networks", Machine Learning 20, 1995.
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> float(cb.losses.Hinge()([[1.0], [-1.0]], [[0.5], [-2.0]]))
    0.25
    """

    implementation = "losses.margin.Hinge"
    elementwise = True
    target_limits = (-1.0, 1.0)

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "hinge",
        dtype: Any = None,
        missing: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype, missing)


@registry.register()
class SquaredHinge(Loss):
    """Squared hinge loss of labels -1 and 1: ``loss = mean(max(1 - y_true * y_pred, 0)^2)`` over the last axis.

    Labels 0 and 1 are accepted as well: 0 counts as -1.

    Parameters
    ----------
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "squared_hinge"
    dtype : {"float32", "float64"}, optional
    missing : {None, "ignore"}, optional
        "ignore" leaves out targets that are NaN; by default they are refused. See `Loss`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if a label is outside [-1, 1].

    Notes
    -----
    ``d loss / d y_pred = -2 y_true max(1 - y_true * y_pred, 0) / width``.

    References
    ----------
    Tang, "Deep learning using linear support vector machines", 2013.
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> float(cb.losses.SquaredHinge()([[1.0], [-1.0]], [[0.5], [-2.0]]))
    0.125
    """

    implementation = "losses.margin.SquaredHinge"
    elementwise = True
    target_limits = (-1.0, 1.0)

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "squared_hinge",
        dtype: Any = None,
        missing: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype, missing)


@registry.register()
class CategoricalHinge(Loss):
    """Hinge loss of one-hot labels: ``loss = max(1 + max((1 - y_true) * y_pred) - sum(y_true * y_pred), 0)``.

    The loss is 0 if the prediction of the label's class is larger by at least 1 than any other.

    Parameters
    ----------
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "categorical_hinge"
    dtype : {"float32", "float64"}, optional
    missing : {None, "ignore"}, optional
        "ignore" leaves out targets that are NaN; by default they are refused. See `Loss`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when called, if a label is outside [-1, 1].

    Notes
    -----
    Where the loss is positive, ``d loss / d y_pred`` is 1 for the largest other prediction (shared equally among ties)
    and -1 for the prediction of the label.

    References
    ----------
    Crammer and Singer, "On the algorithmic implementation of multiclass kernel-based vector machines",
    Journal of Machine Learning Research 2, 2001.
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> float(cb.losses.CategoricalHinge()([[0.0, 1.0]], [[0.5, 0.75]]))
    0.75
    """

    implementation = "losses.margin.CategoricalHinge"
    target_limits = (-1.0, 1.0)

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_hinge",
        dtype: Any = None,
        missing: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype, missing)


@loss_function(Hinge)
def hinge(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[Any]:
    """Hinge loss of each row: `Hinge` without a reduction.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (..., width)

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        See `Hinge`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.hinge([[1.0], [-1.0]], [[0.5], [-2.0]]).tolist()
    [0.5, 0.0]
    """
    values: NDArray[Any] = Hinge(reduction=None, dtype=float_type_of(y_pred))(y_true, y_pred)
    return values


@loss_function(SquaredHinge)
def squared_hinge(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[Any]:
    """Squared hinge loss of each row: `SquaredHinge` without a reduction.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (..., width)

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        See `SquaredHinge`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.squared_hinge([[1.0], [-1.0]], [[0.5], [-2.0]]).tolist()
    [0.25, 0.0]
    """
    values: NDArray[Any] = SquaredHinge(reduction=None, dtype=float_type_of(y_pred))(y_true, y_pred)
    return values


@loss_function(CategoricalHinge)
def categorical_hinge(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[Any]:
    """Hinge loss of each row with a one-hot label: `CategoricalHinge` without a reduction.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (..., classes)

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        See `CategoricalHinge`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.categorical_hinge([[0.0, 1.0]], [[0.5, 0.75]]).tolist()
    [0.75]
    """
    values: NDArray[Any] = CategoricalHinge(reduction=None, dtype=float_type_of(y_pred))(y_true, y_pred)
    return values
