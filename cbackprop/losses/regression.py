"""Regression losses. Most are the mean over a row of a function of the error y_pred - y_true."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike, NDArray

from cbackprop.losses.loss import Loss, loss_function, registry
from cbackprop.losses.row_function import float_type_of
from cbackprop.validation import check_number

__all__ = [
    "Huber",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "huber",
    "log_cosh",
    "mean_absolute_error",
    "mean_squared_error",
]


@registry.register()
class MeanSquaredError(Loss):
    """Mean squared error: ``loss = mean((y_true - y_pred)^2)`` over the last axis.

    Parameters
    ----------
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "mean_squared_error"
    dtype : {"float32", "float64"}, optional
    missing : {None, "ignore"}, optional
        "ignore" leaves out targets that are NaN; by default they are refused. See `Loss`.

    Raises
    ------
    ValueError
        For an unknown reduction or dtype.

    Notes
    -----
    ``d loss / d y_pred = 2 (y_pred - y_true) / width``.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> float(cb.losses.MeanSquaredError()([[0.0, 1.0]], [[1.0, 1.0]]))
    0.5
    """

    implementation = "losses.regression.MeanSquaredError"
    elementwise = True

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_squared_error",
        dtype: Any = None,
        missing: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype, missing)


@registry.register()
class MeanAbsoluteError(Loss):
    """Mean absolute error: ``loss = mean(|y_true - y_pred|)`` over the last axis.

    Parameters
    ----------
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "mean_absolute_error"
    dtype : {"float32", "float64"}, optional
    missing : {None, "ignore"}, optional
        "ignore" leaves out targets that are NaN; by default they are refused. See `Loss`.

    Raises
    ------
    ValueError
        For an unknown reduction or dtype.

    Notes
    -----
    ``d loss / d y_pred = sign(y_pred - y_true) / width``, and 0 where they are equal.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> float(cb.losses.MeanAbsoluteError()([[0.0, 1.0]], [[3.0, 1.0]]))
    1.5
    """

    implementation = "losses.regression.MeanAbsoluteError"
    elementwise = True

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_absolute_error",
        dtype: Any = None,
        missing: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype, missing)


@registry.register()
class Huber(Loss):
    """Huber loss: squared for small errors and linear for large ones, so outliers count less.

    With the error ``e = y_pred - y_true``, ``loss = mean(e^2 / 2)`` where ``|e| <= delta``, and
    ``mean(delta |e| - delta^2 / 2)`` elsewhere, over the last axis.

    Parameters
    ----------
    delta : float, default 1.0
        Greater than 0. The loss is linear for errors larger than this.
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "huber_loss"
    dtype : {"float32", "float64"}, optional
    missing : {None, "ignore"}, optional
        "ignore" leaves out targets that are NaN; by default they are refused. See `Loss`.

    Raises
    ------
    TypeError, ValueError
        If `delta` is not a positive number; for an unknown reduction or dtype.

    Notes
    -----
    ``d loss / d y_pred = min(max(e, -delta), delta) / width``.

    References
    ----------
    Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics, 1964.
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> float(cb.losses.Huber(delta=1.0)([[0.0, 0.0]], [[1.0, 3.0]]))
    1.5
    """

    implementation = "losses.regression.Huber"
    elementwise = True

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "huber_loss",
        dtype: Any = None,
        missing: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype, missing)
        self.delta = check_number("delta", delta, 0, open_minimum=True)


@registry.register()
class LogCosh(Loss):
    """Logarithm of the hyperbolic cosine of the error: ``loss = mean(log(cosh(y_pred - y_true)))`` over the last axis.

    It is close to ``e^2 / 2`` for small errors e, and to ``|e| - log(2)`` for large ones.

    Parameters
    ----------
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "log_cosh"
    dtype : {"float32", "float64"}, optional
    missing : {None, "ignore"}, optional
        "ignore" leaves out targets that are NaN; by default they are refused. See `Loss`.

    Raises
    ------
    ValueError
        For an unknown reduction or dtype.

    Notes
    -----
    ``d loss / d y_pred = tanh(y_pred - y_true) / width``. It is computed as ``|e| + log((1 + exp(-2 |e|)) / 2)``,
    which cannot overflow.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> round(float(cb.losses.LogCosh()([[0.0, 0.0]], [[0.0, 1000.0]])), 3)
    499.653
    """

    implementation = "losses.regression.LogCosh"
    elementwise = True

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "log_cosh",
        dtype: Any = None,
        missing: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype, missing)


@loss_function(MeanSquaredError, "mse", "MSE")
def mean_squared_error(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[Any]:
    """Mean squared error of each row: `MeanSquaredError` without a reduction.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (..., width)

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        See `MeanSquaredError`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.mean_squared_error([[0.0, 1.0], [2.0, 2.0]], [[1.0, 1.0], [2.0, 2.0]]).tolist()
    [0.5, 0.0]
    """
    values: NDArray[Any] = MeanSquaredError(None, dtype=float_type_of(y_pred))(y_true, y_pred)
    return values


@loss_function(MeanAbsoluteError, "mae", "MAE")
def mean_absolute_error(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[Any]:
    """Mean absolute error of each row: `MeanAbsoluteError` without a reduction.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (..., width)

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        See `MeanAbsoluteError`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.mean_absolute_error([[0.0, 1.0], [2.0, 2.0]], [[3.0, 1.0], [2.0, 2.0]]).tolist()
    [1.5, 0.0]
    """
    values: NDArray[Any] = MeanAbsoluteError(None, dtype=float_type_of(y_pred))(y_true, y_pred)
    return values


@loss_function(Huber)
def huber(y_true: ArrayLike, y_pred: ArrayLike, delta: float = 1.0) -> NDArray[Any]:
    """Huber loss of each row: `Huber` without a reduction.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (..., width)
    delta : float, default 1.0
        Greater than 0. The loss is linear for errors larger than this.

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        See `Huber`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.huber([[0.0, 0.0], [0.0, 0.0]], [[1.0, 3.0], [0.0, 0.0]]).tolist()
    [1.5, 0.0]
    """
    values: NDArray[Any] = Huber(delta, None, dtype=float_type_of(y_pred))(y_true, y_pred)
    return values


@loss_function(LogCosh)
def log_cosh(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[Any]:
    """Logarithm of the hyperbolic cosine of the error, for each row: `LogCosh` without a reduction.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (..., width)

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        See `LogCosh`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.log_cosh([[0.0], [0.0]], [[0.0], [1.0]]).round(3).tolist()
    [0.0, 0.4339999854564667]
    """
    values: NDArray[Any] = LogCosh(None, dtype=float_type_of(y_pred))(y_true, y_pred)
    return values
