"""Accuracies, in NumPy."""

from __future__ import annotations

import numpy as np

from cbackprop.reference.losses.row_function import Array, RowFunction

__all__ = [
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
]


class Accuracy(RowFunction):
    """Fraction of a row's elements that equal their targets."""

    each_element = True

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """mean of [y_pred = y_true]."""
        return y_pred, (y_pred == y_true).mean(axis=1), None


class BinaryAccuracy(RowFunction):
    """Fraction of a row's elements that are on the correct side of the threshold."""

    each_element = True

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

    reads = "index"
    takes_any_label = True

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """[argmax y_pred = y_true]."""
        return y_pred, (y_pred.argmax(axis=1) == y_true).astype(float), None


def in_top_k(labels: Array, y_pred: Array, k: int) -> Array:
    """1 if fewer than k predictions are larger than that of the label, else 0."""
    found = np.take_along_axis(y_pred, labels[:, None], axis=1)
    return ((y_pred > found).sum(axis=1) < k).astype(float)


class TopKCategoricalAccuracy(RowFunction):
    """1 where the prediction at the largest target is among the k largest."""

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """[y_pred at argmax y_true is among the k largest]."""
        return y_pred, in_top_k(y_true.argmax(axis=1), y_pred, self.spec.k), None


class SparseTopKCategoricalAccuracy(RowFunction):
    """1 if the prediction of the true class is among the k largest, or the class is among the first k ids; else 0."""

    reads = "index"
    takes_any_label = True

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """[y_pred at y_true is among the k largest], or [y_true is one of the first k of y_pred]."""
        if self.spec.from_sorted_ids:
            return y_pred, (y_pred[:, : self.spec.k] == y_true[:, None]).any(axis=1).astype(float), None
        inside = (y_true >= 0) & (y_true < y_pred.shape[1])
        return y_pred, in_top_k(np.where(inside, y_true, 0), y_pred, self.spec.k) * inside, None
