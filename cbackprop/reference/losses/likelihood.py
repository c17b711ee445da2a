"""Negative log-likelihoods in NumPy. Predictions are means m followed by logarithms s of variances; d = m - y_true."""

from __future__ import annotations

import math

import numpy as np

from cbackprop.reference.losses.row_function import Array, RowFunction

__all__ = ["GaussianNegativeLogLikelihood", "StudentTNegativeLogLikelihood"]


def parts(y_true: Array, y_pred: Array) -> tuple[Array, Array]:
    """d and s. The second half of the targets is padding."""
    k = y_pred.shape[1] // 2
    return y_pred[:, :k] - y_true[:, :k], y_pred[:, k:]


class GaussianNegativeLogLikelihood(RowFunction):
    """mean of (log(2 pi) + s + d^2 exp(-s)) / 2."""

    reads = "half"

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Derivatives d exp(-s) / k and (1 - d^2 exp(-s)) / (2 k)."""
        d, s = parts(y_true, y_pred)
        with np.errstate(over="ignore", invalid="ignore"):
            pull = np.where(d == 0, 0, d * np.exp(-s))
        values = (math.log(2 * math.pi) + s + d * pull).mean(axis=1) / 2
        return y_pred, values, np.hstack([pull, (1 - d * pull) / 2]) / d.shape[1]


class StudentTNegativeLogLikelihood(RowFunction):
    """mean of c + s / 2 + (n + 1) / 2 log(1 + z), z = d^2 exp(-s) / n."""

    reads = "half"

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Derivatives (n + 1) z / (1 + z) / (d k) and (1 - (n + 1) z / (1 + z)) / (2 k)."""
        d, s = parts(y_true, y_pred)
        n = self.spec.degrees_of_freedom
        c = math.lgamma(n / 2) - math.lgamma((n + 1) / 2) + math.log(n * math.pi) / 2
        with np.errstate(divide="ignore"):
            log_z = 2 * np.log(np.abs(d)) - s - math.log(n)  # z itself may be too large
        ratio = np.exp(-np.logaddexp(0, -log_z).astype(d.dtype))  # z / (1 + z)
        values = (c + s / 2 + (n + 1) / 2 * np.logaddexp(0, log_z)).mean(axis=1)
        pull = (n + 1) * np.divide(ratio, d, out=np.zeros_like(d), where=d != 0)
        return y_pred, values, np.hstack([pull, (1 - (n + 1) * ratio) / 2]) / d.shape[1]
