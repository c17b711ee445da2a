"""Cross-entropies, in NumPy."""

from __future__ import annotations

import numpy as np

from cbackprop.reference.epsilon import epsilon
from cbackprop.reference.losses.row_function import Array, RowFunction

__all__ = ["BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy"]


def softmax(z: Array) -> tuple[Array, Array]:
    """p = softmax(z) of each row, and log p."""
    shifted = z - z.max(axis=1, keepdims=True)
    e = np.exp(shifted)
    total = e.sum(axis=1, keepdims=True)
    return e / total, shifted - np.log(total)


def clip(p: Array) -> Array:
    """Probabilities clipped to [epsilon, 1 - epsilon]."""
    return np.clip(p, p.dtype.type(epsilon()), p.dtype.type(1 - epsilon()))


class BinaryCrossentropy(RowFunction):
    """-mean of y log p + (1 - y) log(1 - p), computed from logits if there are any."""

    links = ("sigmoid",)
    each_element = True

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Derivative (sigmoid(z) - y) / width with respect to logits z."""
        smoothing, width = self.spec.label_smoothing, y_pred.shape[1]
        y = y_true * (1 - smoothing) + smoothing / 2
        if self.linked or self.spec.from_logits:
            e = np.exp(-np.abs(y_pred))
            p = np.where(y_pred >= 0, 1, e) / (1 + e)
            values = (np.maximum(y_pred, 0) - y * y_pred + np.log1p(e)).mean(axis=1)
            return (p if self.linked else y_pred), values, (p - y) / width
        q = clip(y_pred)
        values = -(y * np.log(q) + (1 - y) * np.log1p(-q)).mean(axis=1)
        return y_pred, values, np.where(q == y_pred, (q - y) / (q * (1 - q)), 0) / width


class CategoricalCrossentropy(RowFunction):
    """-sum of y log p, computed from logits if there are any."""

    links = ("softmax",)

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Derivative softmax(z) sum(y) - y with respect to logits z."""
        smoothing, classes = self.spec.label_smoothing, y_pred.shape[1]
        y = y_true * (1 - smoothing) + smoothing / classes
        if self.linked or self.spec.from_logits:
            p, log_p = softmax(y_pred)
            gradient = p * y.sum(axis=1, keepdims=True) - y
            return (p if self.linked else y_pred), -(y * log_p).sum(axis=1), gradient
        total = y_pred.sum(axis=1, keepdims=True)
        q = y_pred / total
        clipped = clip(q)
        values = -(y * np.log(clipped)).sum(axis=1)
        mass = np.where(q == clipped, y, 0).sum(axis=1, keepdims=True)
        gradient = (mass - np.where(q == clipped, y / clipped, 0)) / np.where(total == 0, 1, total)
        return y_pred, values, gradient


class SparseCategoricalCrossentropy(RowFunction):
    """-log p_y, computed from logits if there are any."""

    reads = "index"
    links = ("softmax",)

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Derivative softmax(z) - onehot(y) with respect to logits z."""
        rows = np.arange(len(y_true))
        if self.linked or self.spec.from_logits:
            p, log_p = softmax(y_pred)
            gradient = p.copy()
            gradient[rows, y_true] -= 1
            return (p if self.linked else y_pred), -log_p[rows, y_true], gradient
        total = y_pred.sum(axis=1)
        q = y_pred[rows, y_true] / total
        clipped = clip(q)
        gradient = np.broadcast_to(1 / total[:, None], y_pred.shape).copy()
        gradient[rows, y_true] -= 1 / (clipped * total)
        gradient[q != clipped] = 0
        return y_pred, -np.log(clipped), gradient
