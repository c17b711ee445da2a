"""Losses of real-valued predictions, in NumPy."""

from __future__ import annotations

from cbackprop.reference.losses.row_function import Array, RowFunction

__all__ = ["MeanSquaredError"]


class MeanSquaredError(RowFunction):
    """mean of e^2, with e = y_pred - y_true."""

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Derivative 2 e / width."""
        error = y_pred - y_true
        return y_pred, (error * error).mean(axis=1), error * (2 / error.shape[1])
