"""Mean errors of real-valued predictions, computed by the losses' kernels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cbackprop.metrics.metric import RowMean, registry

__all__ = ["LogCoshError", "MeanAbsoluteError", "MeanSquaredError", "RootMeanSquaredError"]


@registry.register("mse", "MSE")
class MeanSquaredError(RowMean):
    """Mean squared error: ``mean((y_true - y_pred)^2)``.

    Parameters
    ----------
    name : str, default "mean_squared_error"
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
    >>> float(cb.metrics.MeanSquaredError()([[0, 1], [0, 0]], [[1, 1], [0, 0]]))
    0.25
    """

    implementation = "losses.regression.MeanSquaredError"

    def __init__(self, name: str | None = "mean_squared_error", dtype: Any = None) -> None:
        super().__init__(dtype, name)


@registry.register()
class RootMeanSquaredError(RowMean):
    """Root of the mean squared error: ``sqrt(mean((y_true - y_pred)^2))``, in the unit of the targets.

    Parameters
    ----------
    name : str, default "root_mean_squared_error"
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
    >>> float(cb.metrics.RootMeanSquaredError()([[0, 1], [0, 0]], [[1, 1], [0, 0]]))
    0.5
    """

    implementation = "losses.regression.MeanSquaredError"
    elementwise = True

    def __init__(self, name: str | None = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(dtype, name)

    def result(self) -> Any:
        """The root of the weighted mean so far; 0 before any batch."""
        return np.dtype(self.dtype).type(math.sqrt(super().result()))


@registry.register("mae", "MAE")
class MeanAbsoluteError(RowMean):
    """Mean absolute error: ``mean(|y_true - y_pred|)``.

    Parameters
    ----------
    name : str, default "mean_absolute_error"
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
    >>> float(cb.metrics.MeanAbsoluteError()([[0, 1], [0, 0]], [[1, 1], [0, 0]]))
    0.25
    """

    implementation = "losses.regression.MeanAbsoluteError"

    def __init__(self, name: str | None = "mean_absolute_error", dtype: Any = None) -> None:
        super().__init__(dtype, name)


@registry.register()
class LogCoshError(RowMean):
    """Mean logarithm of the hyperbolic cosine of the error: ``mean(log(cosh(y_pred - y_true)))``.

    Parameters
    ----------
    name : str, default "logcosh"
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
    >>> round(float(cb.metrics.LogCoshError()([[0, 1], [0, 0]], [[1, 1], [0, 0]])), 4)
    0.1084
    """

    implementation = "losses.regression.LogCosh"

    def __init__(self, name: str | None = "logcosh", dtype: Any = None) -> None:
        super().__init__(dtype, name)
