"""Hinge losses in NumPy. A label 0 counts as -1."""

from __future__ import annotations

import numpy as np

from cbackprop.reference.losses.row_function import Array, RowFunction

__all__ = ["CategoricalHinge", "Hinge", "SquaredHinge"]


def signs(y: Array) -> Array:
    """Convert labels to -1 and 1."""
    return np.where(y == 0, y.dtype.type(-1), y)


class Hinge(RowFunction):
    """mean of max(1 - y y_pred, 0)."""

    each_element = True

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Derivative -y / width where y y_pred < 1."""
        y = signs(y_true)
        margin = np.maximum(1 - y * y_pred, 0)
        return y_pred, margin.mean(axis=1), np.where(margin > 0, -y, 0) / y.shape[1]


class SquaredHinge(RowFunction):
    """mean of max(1 - y y_pred, 0)^2."""

    each_element = True

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Derivative -2 y max(1 - y y_pred, 0) / width."""
        y = signs(y_true)
        margin = np.maximum(1 - y * y_pred, 0)
        return y_pred, (margin * margin).mean(axis=1), -y * margin * (2 / y.shape[1])


class CategoricalHinge(RowFunction):
    """max(1 + n - p, 0) for p = sum of y y_pred and n = the largest (1 - y) y_pred."""

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Derivative (1 - y) at the largest (shared among ties) minus y; 0 if the value is 0."""
        others = (1 - y_true) * y_pred
        largest = others.max(axis=1, keepdims=True)
        ties = others == largest
        margin = 1 + largest[:, 0] - (y_true * y_pred).sum(axis=1)
        gradient = ties * (1 - y_true) / np.maximum(ties.sum(axis=1, keepdims=True), 1).astype(y_pred.dtype) - y_true
        gradient[margin <= 0] = 0
        return y_pred, np.maximum(margin, 0), gradient
