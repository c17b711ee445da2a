"""Losses of real-valued predictions, in NumPy, each the mean over a row of a function of e = y_pred - y_true."""

from __future__ import annotations

import numpy as np

from cbackprop.reference.losses.row_function import Array, RowFunction

__all__ = ["Huber", "LogCosh", "MeanAbsoluteError", "MeanSquaredError"]


class MeanSquaredError(RowFunction):
    """mean of e^2."""

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Derivative 2 e / width."""
        error = y_pred - y_true
        return y_pred, (error * error).mean(axis=1), error * (2 / error.shape[1])


class MeanAbsoluteError(RowFunction):
    """mean of |e|."""

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Derivative sign(e) / width."""
        error = y_pred - y_true
        return y_pred, np.abs(error).mean(axis=1), np.sign(error) / error.shape[1]


class Huber(RowFunction):
    """mean of e^2 / 2 where |e| <= delta, of delta |e| - delta^2 / 2 elsewhere."""

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Derivative e / width, with e clipped to [-delta, delta]."""
        error = y_pred - y_true
        clipped = np.clip(error, -self.spec.delta, self.spec.delta)
        return y_pred, (clipped * (error - clipped / 2)).mean(axis=1), clipped / error.shape[1]


class LogCosh(RowFunction):
    """mean of log cosh e = |e| + log((1 + e^(-2 |e|)) / 2)."""

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Derivative tanh(e) / width."""
        error = y_pred - y_true
        size = np.abs(error)
        values = (size + np.log1p(np.expm1(-2 * size) / 2)).mean(axis=1)
        return y_pred, values, np.tanh(error) / error.shape[1]
