"""Regression losses in NumPy. Most are the mean over a row of a function of e = y_pred - y_true."""

from __future__ import annotations

import numpy as np

from cbackprop.reference.epsilon import epsilon
from cbackprop.reference.losses.row_function import Array, RowFunction

__all__ = [
    "Huber",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Quantile",
]


class MeanSquaredError(RowFunction):
    """mean of e^2."""

    each_element = True

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Derivative 2 e / width."""
        error = y_pred - y_true
        return y_pred, (error * error).mean(axis=1), error * (2 / error.shape[1])


class MeanAbsoluteError(RowFunction):
    """mean of |e|."""

    each_element = True

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Derivative sign(e) / width."""
        error = y_pred - y_true
        return y_pred, np.abs(error).mean(axis=1), np.sign(error) / error.shape[1]


class Huber(RowFunction):
    """mean of e^2 / 2 where |e| <= delta, of delta |e| - delta^2 / 2 elsewhere."""

    each_element = True

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Derivative e / width, with e clipped to [-delta, delta]."""
        error = y_pred - y_true
        clipped = np.clip(error, -self.spec.delta, self.spec.delta)
        return y_pred, (clipped * (error - clipped / 2)).mean(axis=1), clipped / error.shape[1]


class LogCosh(RowFunction):
    """mean of log cosh e = |e| + log((1 + e^(-2 |e|)) / 2)."""

    each_element = True

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Derivative tanh(e) / width."""
        error = y_pred - y_true
        size = np.abs(error)
        values = (size + np.log1p(np.expm1(-2 * size) / 2)).mean(axis=1)
        return y_pred, values, np.tanh(error) / error.shape[1]


class MeanAbsolutePercentageError(RowFunction):
    """100 times the mean of |e| / max(|y_true|, epsilon)."""

    each_element = True

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Derivative 100 sign(e) / (max(|y_true|, epsilon) width)."""
        error = y_pred - y_true
        size = np.maximum(np.abs(y_true), error.dtype.type(epsilon()))
        return y_pred, 100 * (np.abs(error) / size).mean(axis=1), np.sign(error) / size * (100 / error.shape[1])


class MeanSquaredLogarithmicError(RowFunction):
    """mean of (log(y_pred + 1) - log(y_true + 1))^2, with numbers of at least epsilon."""

    each_element = True

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Derivative 2 (log(y_pred + 1) - log(y_true + 1)) / ((y_pred + 1) width)."""
        low = y_pred.dtype.type(epsilon())
        p = np.maximum(y_pred, low)
        difference = np.log1p(p) - np.log1p(np.maximum(y_true, low))
        gradient = np.where(p == y_pred, difference / (p + 1), 0) * (2 / p.shape[1])
        return y_pred, (difference * difference).mean(axis=1), gradient


class Quantile(RowFunction):
    """mean of max(q d, (q - 1) d), d = y_true - y_pred."""

    each_element = True

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Derivative -q / width below the target, (1 - q) / width above."""
        quantiles, difference = np.asarray(self.spec.quantile, y_pred.dtype).reshape(-1), y_true - y_pred
        q = np.resize(quantiles, difference.shape)  # the quantile of each element, repeated for all rows
        slope = np.where(difference > 0, -q, np.where(difference < 0, 1 - q, 0)).astype(q.dtype)
        return y_pred, np.maximum(q * difference, (q - 1) * difference).mean(axis=1), slope / slope.shape[1]
