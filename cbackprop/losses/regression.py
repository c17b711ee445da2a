"""Regression losses. Most are the mean over a row of a function of the error y_pred - y_true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop.losses.loss import Loss, loss_function, registry
from cbackprop.losses.row_function import float_type_of
from cbackprop.validation import check_number

__all__ = [
    "Huber",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Quantile",
    "huber",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "quantile",
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


@registry.register()
class Quantile(Loss):
    """Quantile (pinball) loss: ``loss = mean(max(q d, (q - 1) d))``, ``d = y_true - y_pred``, over the last axis.

    It is smallest if the prediction is the quantile q = `quantile` of the target: 0.5 predicts the median. With a list
    of quantiles, each element of a prediction's row has its own quantile; then `y_true` may have one number for each
    row, the target of all of them.

    Parameters
    ----------
    quantile : float or list of float, default 0.5
        Between 0 and 1, both excluded; or a list with one for each element of a prediction's row.
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "quantile"
    dtype : {"float32", "float64"}, optional
    missing : {None, "ignore"}, optional
        "ignore" leaves out targets that are NaN; by default they are refused. See `Loss`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when compiled or called, if rows of the prediction do not
        have an element for each quantile.

    Notes
    -----
    ``d loss / d y_pred = -q / width`` below the target, ``(1 - q) / width`` above it, and 0 where they are equal.

    References
    ----------
    Koenker and Bassett, "Regression quantiles", Econometrica 46, 1978.
    Arguments and defaults are those of this library; Keras has no such loss.

    Examples
    --------
    >>> import cbackprop as cb
    >>> float(cb.losses.Quantile(0.75)([[1.0], [1.0]], [[0.0], [2.0]]))
    0.5
    >>> round(float(cb.losses.Quantile([0.1, 0.5, 0.9])([1.0], [[0.5, 1.0, 2.0]])), 4)
    0.05
    """

    implementation = "losses.regression.Quantile"
    elementwise = True

    def __init__(
        self,
        quantile: float | Sequence[float] = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "quantile",
        dtype: Any = None,
        missing: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype, missing)
        self.quantile = _check_quantiles(quantile)

    def repeats_targets(self) -> bool:
        """Whether there are several quantiles, so that one target serves a whole row."""
        return isinstance(self.quantile, list)

    def check_output(self, shape: tuple[int, ...]) -> None:
        """``ValueError`` unless rows of predictions of this shape have an element for each quantile."""
        if isinstance(self.quantile, list) and (not shape or shape[-1] != len(self.quantile)):
            raise ValueError(
                f"The loss {self.name!r} has {len(self.quantile)} quantiles, so each row of predictions must have as "
                f"many elements, but the predictions have shape {('batch', *shape)}."
            )

    def unit_values(
        self, y_true: ArrayLike, y_pred: ArrayLike, by_element: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
        """See `RowFunction.unit_values`."""
        if isinstance(self.quantile, list):
            self.check_output(np.shape(y_pred)[-1:] if np.ndim(y_pred) == 1 else np.shape(y_pred)[1:])
        return super().unit_values(y_true, y_pred, by_element)


def _check_quantiles(value: Any) -> float | list[float]:
    """Check one number between 0 and 1, or a list of them."""
    if not isinstance(value, (list, tuple)) and not (isinstance(value, np.ndarray) and value.ndim):
        return check_number("quantile", value, 0, 1, open_minimum=True, open_maximum=True)
    found = [check_number("quantile", one, 0, 1, open_minimum=True, open_maximum=True) for one in value]
    if not found:
        raise ValueError("quantile must be a number, or a list of at least one, but is empty.")
    return found


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


@loss_function(Quantile)
def quantile(y_true: ArrayLike, y_pred: ArrayLike, quantile: float | Sequence[float] = 0.5) -> NDArray[Any]:
    """Quantile loss of each row: `Quantile` without a reduction.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (..., width)
    quantile : float or list of float, default 0.5
        Between 0 and 1, both excluded; or a list with one for each element of a row.

    Returns
    -------
    ndarray, shape (...,)

    Raises
    ------
    TypeError, ValueError
        See `Quantile`.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.quantile([[1.0], [1.0]], [[0.0], [2.0]], 0.75).tolist()
    [0.75, 0.25]
    """
    values: NDArray[Any] = Quantile(quantile, reduction=None, dtype=float_type_of(y_pred))(y_true, y_pred)
    return values
