"""Losses that measure how well prediction and target overlap, along any axes of a batch, in NumPy."""

from __future__ import annotations

import numpy as np

from cbackprop.contract.kernel_check import checked_layout
from cbackprop.reference.epsilon import epsilon
from cbackprop.reference.losses.row_function import Array, RowFunction

__all__ = ["CosineSimilarity", "Dice", "Tversky"]


class GroupFunction(RowFunction):
    """One value for all elements along some axes. Each row gets the mean of the values of its sample or the batch."""

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """Derivative of each row's part of the values."""
        shape, axes = checked_layout(self.spec, self.sample_shape)
        self.block = () if self.spec.couples_samples else (y_pred.size // int(np.prod(shape)),)
        axes = tuple(axis + 1 for axis in axes)
        axes = (0, *axes) if self.spec.couples_samples else axes
        values, gradient = self.measure(y_true.reshape(-1, *shape), y_pred.reshape(-1, *shape), axes)
        groups = values.size // (self.block[0] if self.block else 1)
        self.rows = len(y_pred) // (self.block[0] if self.block else 1)
        factor = 1 / (self.rows if self.spec.reduction == "sum" else groups)
        total = values.reshape(*(self.block or (1,)), -1).sum(axis=1) * y_pred.dtype.type(factor)
        return y_pred, np.repeat(total, self.rows), (gradient * y_pred.dtype.type(factor)).reshape(y_pred.shape)

    def spread(self, coefficients: Array) -> Array:
        """Rows that share values share their coefficients."""
        return np.repeat(coefficients.reshape(-1, self.rows).sum(axis=1), self.rows)

    def measure(self, y: Array, p: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
        """Values, with size 1 along the axes, and their derivatives with respect to p."""
        raise NotImplementedError


class Tversky(GroupFunction):
    """1 - t / (t + alpha f + beta g + epsilon)."""

    def measure(self, y: Array, p: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
        """t = sum of y p, f = sum of y (1 - p), g = sum of (1 - y) p."""
        alpha, beta = self.spec.alpha, self.spec.beta
        right = (y * p).sum(axes, keepdims=True)
        missed, false = (y * (1 - p)).sum(axes, keepdims=True), ((1 - y) * p).sum(axes, keepdims=True)
        whole = right + alpha * missed + beta * false + epsilon()
        return 1 - right / whole, (right * (y - alpha * y + beta * (1 - y)) / whole - y) / whole


class Dice(GroupFunction):
    """1 - 2 sum of y p / (sum y + sum p + epsilon)."""

    def measure(self, y: Array, p: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
        """The value and its derivative, by the quotient rule."""
        both = 2 * (y * p).sum(axes, keepdims=True)
        whole = y.sum(axes, keepdims=True) + p.sum(axes, keepdims=True) + y.dtype.type(epsilon())
        return 1 - both / whole, (both / whole - 2 * y) / whole


class CosineSimilarity(GroupFunction):
    """-sum of y p / (|y| |p|), with lengths of at least epsilon."""

    def measure(self, y: Array, p: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
        """With unit vectors u and v: (v (u v) - u) / |p|."""
        low = y.dtype.type(epsilon())
        u = y / np.maximum(np.sqrt((y * y).sum(axes, keepdims=True)), low)
        length = np.sqrt((p * p).sum(axes, keepdims=True))
        v = p / np.maximum(length, low)
        cosine = (u * v).sum(axes, keepdims=True)
        return -cosine, (np.where(length > low, v * cosine, 0) - u) / np.maximum(length, low)
