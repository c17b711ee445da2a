"""Losses written in Python, called as they are."""

from __future__ import annotations

from cbackprop.losses.loss_sum import judge
from cbackprop.reference.losses.row_function import Array, RowFunction

__all__ = ["PythonLoss"]


class PythonLoss(RowFunction):
    """What the loss returns for a batch."""

    reads = None

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """The values that it returns; its gradient becomes a delta in `delta`."""
        prediction = y_pred.reshape(-1, *self.sample_shape)
        shape, target = prediction.shape, y_true
        if self.spec.target_kind != "given":
            target = y_true.reshape(shape[:-1] if self.spec.target_kind == "index" else shape)
        values, self._delta_of = judge(self.spec, target.copy(), prediction.copy())
        return y_pred, values, None

    def delta(self, gradient: Array | None, coefficients: Array) -> Array:
        """What comes of the gradient that it has returned: rows that have a value in common count together."""
        return self._delta_of(coefficients)
