"""Accuracies, in NumPy."""

from __future__ import annotations

from cbackprop.reference.losses.row_function import Array, RowFunction

__all__ = ["Accuracy", "BinaryAccuracy", "CategoricalAccuracy", "SparseCategoricalAccuracy"]


class Accuracy(RowFunction):
    """Share of a row's elements that equal their targets."""

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """mean of [y_pred = y_true]."""
        return y_pred, (y_pred == y_true).mean(axis=1), None


class BinaryAccuracy(RowFunction):
    """Share of a row's elements that lie on the right side of the threshold."""

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """mean of [[y_pred > threshold] = y_true]."""
        return y_pred, ((y_pred > self.spec.threshold) == y_true).mean(axis=1), None


class CategoricalAccuracy(RowFunction):
    """1 where the largest prediction is at the largest target."""

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """[argmax y_pred = argmax y_true]."""
        return y_pred, (y_pred.argmax(axis=1) == y_true.argmax(axis=1)).astype(float), None


class SparseCategoricalAccuracy(RowFunction):
    """1 where the largest prediction is at the true class."""

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """[argmax y_pred = y_true]."""
        return y_pred, (y_pred.argmax(axis=1) == y_true).astype(float), None
