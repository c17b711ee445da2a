"""Losses of errors relative to the targets: in percent, and of logarithms."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike, NDArray

from cbackprop.losses.loss import Loss, loss_function, registry
from cbackprop.losses.row_function import float_type_of

__all__ = [
    "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError",
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
]


@registry.register()
class MeanAbsolutePercentageError(Loss):
    """Mean absolute percentage error: ``loss = 100 mean(|y_true - y_pred| / |y_true|)`` over the last axis.

    If ``|y_true|`` is below 1e-7, the error is divided by 1e-7.

    Parameters
    ----------
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "mean_absolute_percentage_error"
    dtype : {"float32", "float64"}, optional
    missing : {None, "ignore"}, optional
        "ignore" leaves out targets that are NaN; by default they are refused. See `Loss`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.

    Notes
    -----
    ``d loss / d y_pred = 100 sign(y_pred - y_true) / (|y_true| width)``.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> float(cb.losses.MeanAbsolutePercentageError()([[2.0, 4.0]], [[1.0, 4.0]]))
    25.0
    """

    implementation = "losses.regression.MeanAbsolutePercentageError"
    elementwise = True

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_absolute_percentage_error",
        dtype: Any = None,
        missing: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype, missing)


@registry.register()
class MeanSquaredLogarithmicError(Loss):
    """Mean squared logarithmic error: ``loss = mean((log(y_true + 1) - log(y_pred + 1))^2)`` over the last axis.

    Targets and predictions below 1e-7 count as 1e-7.

    Parameters
    ----------
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "mean_squared_logarithmic_error"
    dtype : {"float32", "float64"}, optional
    missing : {None, "ignore"}, optional
        "ignore" leaves out targets that are NaN; by default they are refused. See `Loss`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.

    Notes
    -----
    ``d loss / d y_pred = 2 (log(y_pred + 1) - log(y_true + 1)) / ((y_pred + 1) width)``, and 0 below 1e-7.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.losses.MeanSquaredLogarithmicError()([[0.0, 1.0]], [[1.0, 1.0]])), 4)
    0.2402
    """

    implementation = "losses.regression.MeanSquaredLogarithmicError"
    elementwise = True

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_squared_logarithmic_error",
        dtype: Any = None,
        missing: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype, missing)


@loss_function(MeanAbsolutePercentageError, "mape", "MAPE")
def mean_absolute_percentage_error(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[Any]:
    """Mean absolute percentage error of each row: `MeanAbsolutePercentageError` without a reduction.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (..., width)

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        See `MeanAbsolutePercentageError`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.mean_absolute_percentage_error([[2.0, 4.0]], [[1.0, 4.0]]).tolist()
    [25.0]
    """
    values: NDArray[Any] = MeanAbsolutePercentageError(reduction=None, dtype=float_type_of(y_pred))(y_true, y_pred)
    return values


@loss_function(MeanSquaredLogarithmicError, "msle", "MSLE")
def mean_squared_logarithmic_error(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[Any]:
    """Mean squared logarithmic error of each row: `MeanSquaredLogarithmicError` without a reduction.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (..., width)

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        See `MeanSquaredLogarithmicError`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.mean_squared_logarithmic_error([[0.0], [1.0]], [[0.0], [0.0]]).round(2).tolist()
    [0.0, 0.47999998927116394]
    """
    values: NDArray[Any] = MeanSquaredLogarithmicError(reduction=None, dtype=float_type_of(y_pred))(y_true, y_pred)
    return values
