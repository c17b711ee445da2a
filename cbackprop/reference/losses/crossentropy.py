"""Cross-entropies, in NumPy."""

from __future__ import annotations

import numpy as np

from cbackprop.config import epsilon
from cbackprop.reference.losses.row_function import Array, RowFunction

__all__ = ["SparseCategoricalCrossentropy"]


def softmax(z: Array) -> tuple[Array, Array]:
    """softmax(z) and log sum exp(z) of each row."""
    shifted = z - z.max(axis=1, keepdims=True)
    e = np.exp(shifted)
    total = e.sum(axis=1, keepdims=True)
    return e / total, (np.log(total) + z.max(axis=1, keepdims=True))[:, 0]


class SparseCategoricalCrossentropy(RowFunction):
    """-log p_y, from logits where they are known."""

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Derivative softmax(z) - onehot(y) with respect to logits z."""
        rows = np.arange(len(y_true))
        if self.linked or self.spec.from_logits:
            p, log_sum = softmax(y_pred)
            values = log_sum - y_pred[rows, y_true]
            gradient = p.copy()
            gradient[rows, y_true] -= 1
            return (p if self.linked else y_pred), values, gradient
        total = y_pred.sum(axis=1)
        q = y_pred[rows, y_true] / total
        clipped = np.clip(q, y_pred.dtype.type(epsilon()), y_pred.dtype.type(1 - epsilon()))
        gradient = np.broadcast_to(1 / total[:, None], y_pred.shape).copy()
        gradient[rows, y_true] -= 1 / y_pred[rows, y_true]
        gradient[q != clipped] = 0
        return y_pred, -np.log(clipped), gradient
