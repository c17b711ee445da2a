"""Accuracies, in NumPy."""

from __future__ import annotations

from cbackprop.reference.losses.row_function import Array, RowFunction

__all__ = ["SparseCategoricalAccuracy"]


class SparseCategoricalAccuracy(RowFunction):
    """1 where the largest prediction is at the true class."""

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """[argmax y_pred = y_true]."""
        return y_pred, (y_pred.argmax(axis=1) == y_true).astype(float), None
