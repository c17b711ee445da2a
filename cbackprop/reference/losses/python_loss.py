"""Losses written in Python."""

from __future__ import annotations

from cbackprop.reference.losses.row_function import Array, RowFunction

__all__ = ["PythonLoss"]


class PythonLoss(RowFunction):
    """Call the loss for a batch."""

    reads = None

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """The values that the loss returns. `delta` uses the gradient."""
        prediction = y_pred.reshape(-1, *self.sample_shape)
        shape, target = prediction.shape, y_true
        if self.spec.target_kind != "given":
            target = y_true.reshape(shape[:-1] if self.spec.target_kind == "index" else shape)
        values, self._delta_of = self.spec.judge(target.copy(), prediction.copy())
        return y_pred, values, None

    def delta(self, gradient: Array | None, coefficients: Array) -> Array:
        """The delta from the gradient that the loss has returned. Rows that share a value are combined."""
        delta: Array = self._delta_of(coefficients)
        return delta
