"""Losses written in Python, called as they are."""

from __future__ import annotations

from cbackprop.losses.python_loss import coefficients_of, evaluate, rows_of
from cbackprop.reference.losses.row_function import Array, RowFunction

__all__ = ["PythonLoss"]


class PythonLoss(RowFunction):
    """What the loss returns for a batch."""

    reads = None

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """The gradient that it returns."""
        self.shape = (-1, *self.sample_shape)
        prediction = y_pred.reshape(self.shape)
        self.shape = prediction.shape
        target = y_true
        if self.spec.target_kind != "given":
            target = y_true.reshape(self.shape[:-1] if self.spec.target_kind == "index" else self.shape)
        self.values, gradient = evaluate(self.spec, target.copy(), prediction.copy())
        return y_pred, rows_of(self.spec, self.values, self.shape), gradient.reshape(y_pred.shape)

    def spread(self, coefficients: Array) -> Array:
        """Rows that have a value in common have their coefficients in common."""
        return coefficients_of(self.spec, self.values, coefficients, self.shape)
