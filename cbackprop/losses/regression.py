"""Losses of real-valued predictions."""

from __future__ import annotations

from typing import Any

from cbackprop.losses.loss import Loss, registry

__all__ = ["MeanSquaredError"]


@registry.register("mse", "MSE")
class MeanSquaredError(Loss):
    """Mean squared error: ``loss = mean((y_true - y_pred)^2)`` over the last axis.

    Parameters
    ----------
    reduction : str, default "sum_over_batch_size"
        See `Loss`.
    name : str, default "mean_squared_error"
    dtype : {"float32", "float64"}, optional

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

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = "mean_squared_error", dtype: Any = None
    ) -> None:
        super().__init__(reduction, name, dtype)
