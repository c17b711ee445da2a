"""Losses of distributions, in NumPy."""

from __future__ import annotations

import numpy as np

from cbackprop.reference.epsilon import epsilon
from cbackprop.reference.losses.crossentropy import clip, softmax
from cbackprop.reference.losses.row_function import Array, RowFunction

__all__ = [
    "BinaryFocalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "KLDivergence",
    "Poisson",
]


def power(x: Array, exponent: float) -> Array:
    """x^exponent, where 0 to a negative power counts as 0."""
    result: Array = np.power(np.where(x > 0, x, 1), x.dtype.type(exponent))
    return np.where(x > 0, result, np.where(np.isnan(x), np.nan, 1 if exponent == 0 else 0)).astype(x.dtype)


class KLDivergence(RowFunction):
    """sum of y log(y / p), both clipped to [epsilon, 1]."""

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Derivative -y / p, and 0 where p was clipped."""
        low = y_pred.dtype.type(epsilon())
        y, p = np.clip(y_true, low, 1), np.clip(y_pred, low, 1)
        return y_pred, (y * np.log(y / p)).sum(axis=1), np.where(p == y_pred, -y / p, 0)


class Poisson(RowFunction):
    """mean of p - y log(p + epsilon)."""

    each_element = True

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Derivative (1 - y / (p + epsilon)) / width."""
        p = y_pred + y_pred.dtype.type(epsilon())
        return y_pred, (y_pred - y_true * np.log(p)).mean(axis=1), (1 - y_true / p) / p.shape[1]


class CategoricalFocalCrossentropy(RowFunction):
    """-alpha sum of y (1 - p)^gamma log p, computed from logits if there are any."""

    links = ("softmax",)

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """With s = p d value / dp for each class: derivative s - p sum(s) with respect to logits."""
        smoothing, classes = self.spec.label_smoothing, y_pred.shape[1]
        y = y_true * (1 - smoothing) + smoothing / classes
        if self.linked or self.spec.from_logits:
            p, log_p = softmax(y_pred)
            values, slopes = self.of_classes(y, p, log_p)
            return (p if self.linked else y_pred), values, slopes - p * slopes.sum(axis=1, keepdims=True)
        total = y_pred.sum(axis=1, keepdims=True)
        q = y_pred / total
        clipped = clip(q)
        values, slopes = self.of_classes(y, clipped, np.log(clipped))
        slopes = np.where(q == clipped, slopes, 0)
        gradient = (slopes / clipped - slopes.sum(axis=1, keepdims=True)) / np.where(total == 0, 1, total)
        return y_pred, values, np.where(total == 0, 0, gradient)

    def of_classes(self, y: Array, p: Array, log_p: Array) -> tuple[Array, Array]:
        """The value of each row, and p d value / dp of each class."""
        alpha, gamma = self.spec.alpha, self.spec.gamma
        factor = power(1 - p, gamma)
        steeper = gamma * p * power(1 - p, gamma - 1) * log_p if gamma else 0
        return -alpha * (y * factor * log_p).sum(axis=1), alpha * y * (steeper - factor)


class BinaryFocalCrossentropy(RowFunction):
    """mean of w m^gamma b, with the binary cross-entropy b and the error m = y (1 - p) + (1 - y) p."""

    links = ("sigmoid",)
    each_element = True

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Derivative w (gamma m^(gamma - 1) dm b + m^gamma db) / width."""
        spec, width = self.spec, y_pred.shape[1]
        y = y_true * (1 - spec.label_smoothing) + spec.label_smoothing / 2
        logits = self.linked or spec.from_logits
        p, rest, b, db = self.of_logits(y, y_pred) if logits else self.of_probabilities(y, y_pred)
        m = y * rest + (1 - y) * p
        dm = (1 - 2 * y) * (p * rest if logits else 1)
        w = y * spec.alpha + (1 - y) * (1 - spec.alpha) if spec.apply_class_balancing else 1
        slope = power(m, spec.gamma) * db
        if spec.gamma:
            slope = slope + spec.gamma * power(m, spec.gamma - 1) * dm * b
        return (p if self.linked else y_pred), (w * power(m, spec.gamma) * b).mean(axis=1), w * slope / width

    def of_logits(self, y: Array, z: Array) -> tuple[Array, Array, Array, Array]:
        """p, 1 - p, the cross-entropy, and its derivative with respect to z."""
        e = np.exp(-np.abs(z))
        p, rest = np.where(z >= 0, 1, e) / (1 + e), np.where(z >= 0, e, 1) / (1 + e)
        return p, rest, np.maximum(z, 0) - y * z + np.log1p(e), p - y

    def of_probabilities(self, y: Array, p: Array) -> tuple[Array, Array, Array, Array]:
        """p, 1 - p, the cross-entropy of the clipped p, and its derivative with respect to p."""
        q = clip(p)
        b = -(y * np.log(q) + (1 - y) * np.log1p(-q))
        return p, 1 - p, b, np.where(q == p, (q - y) / (q * (1 - q)), 0)


class CategoricalGeneralizedCrossEntropy(RowFunction):
    """(1 - p_y^q) / q."""

    reads = "index"
    links = ("softmax",)

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Derivative -p_y^(q - 1) at the label; with respect to logits p_y^q (p - onehot(y))."""
        rows = np.arange(len(y_true))
        p = softmax(y_pred)[0] if self.linked else y_pred
        likely = p[rows, y_true]
        powers = power(likely, self.spec.q)
        gradient = p * powers[:, None] if self.linked else np.zeros_like(p)
        gradient[rows, y_true] -= powers if self.linked else powers / np.where(likely > 0, likely, 1)
        return p, (1 - powers) / self.spec.q, gradient
