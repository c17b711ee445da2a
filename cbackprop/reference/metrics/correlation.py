"""Cosine similarity and correlations of rows of targets and predictions, in NumPy."""

from __future__ import annotations

import numpy as np

from cbackprop.reference.epsilon import epsilon
from cbackprop.reference.losses.row_function import Array, RowFunction

__all__ = ["ConcordanceCorrelation", "CosineSimilarity", "PearsonCorrelation"]


class CosineSimilarity(RowFunction):
    """Cosine of the angle between two rows."""

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """sum of y p / (|y| |p|)."""
        y, p = y_true.astype(float), y_pred.astype(float)
        sizes = [np.maximum(np.sqrt((x * x).sum(axis=1)), epsilon()) for x in (y, p)]
        return y_pred, (y * p).sum(axis=1) / (sizes[0] * sizes[1]), None


class PearsonCorrelation(RowFunction):
    """Correlation of two rows."""

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """cov(y, p) / sqrt(var(y) var(p)); NaN for constant rows."""
        y, p = (x - x.mean(axis=1, keepdims=True) for x in (y_true.astype(float), y_pred.astype(float)))
        with np.errstate(invalid="ignore", divide="ignore"):
            return y_pred, (y * p).mean(axis=1) / np.sqrt((y * y).mean(axis=1) * (p * p).mean(axis=1)), None


class ConcordanceCorrelation(RowFunction):
    """Concordance of two rows: their correlation, reduced if they differ in mean or scale."""

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """2 cov(y, p) / (var(y) + var(p) + (mean(y) - mean(p))^2)."""
        y, p = y_true.astype(float), y_pred.astype(float)
        covariance = ((y - y.mean(axis=1, keepdims=True)) * (p - p.mean(axis=1, keepdims=True))).mean(axis=1)
        spread = y.var(axis=1) + p.var(axis=1) + (y.mean(axis=1) - p.mean(axis=1)) ** 2
        return y_pred, 2 * covariance / (spread + epsilon()), None
