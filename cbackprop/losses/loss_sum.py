"""Several losses of one output, added up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.losses.loss import Loss

__all__ = ["LossSum"]

Array = NDArray[Any]


class LossSum(Loss):
    """The weighted sum of losses that read targets in the same form: what `compile` makes of a list for one output.

    Parameters
    ----------
    losses : sequence of Loss
        All of one reduction and form of targets, and with values of rows.
    weights : sequence of float, optional

    Raises
    ------
    ValueError
        If they cannot be added up.
    """

    target_kind = "values"

    def __init__(self, losses: Sequence[Loss], weights: Sequence[float] | None = None) -> None:
        first = losses[0]
        for loss in losses:
            other = (loss.target_kind, loss.reduction) != (first.target_kind, first.reduction)
            if other or loss.alone or loss.missing or hasattr(loss, "layout") or loss.target_kind == "given":
                raise ValueError(
                    f"The losses {[one.name for one in losses]} of one output cannot be added up: all must be built-in "
                    "losses with values of rows, of one reduction, that read targets in one form. Write a loss that "
                    "adds them."
                )
        super().__init__("_".join(loss.name for loss in losses), first.reduction, first.dtype)
        self.losses, self.weights = list(losses), list(weights or [1.0] * len(losses))
        self.target_kind = first.target_kind  # type: ignore[misc]

    def call(self, y_true: Array, y_pred: Array) -> Any:
        """The sum of the values of rows, and of their gradients."""
        width = y_pred.shape[-1]
        rows = np.ascontiguousarray(y_pred.reshape(-1, width))
        targets = y_true.reshape(-1) if self.target_kind == "index" else y_true.reshape(-1, width)
        total, slope = np.zeros(len(rows)), np.zeros_like(rows)
        for loss, weight in zip(self.losses, self.weights, strict=True):
            function, delta = loss.row_function(False, rows.dtype.name), np.empty_like(rows)
            evaluate = function.values_of_classes if self.target_kind == "index" else function.values
            total += weight * evaluate(np.ascontiguousarray(targets), rows, np.full(len(rows), weight), delta)
            slope += delta
        return total.reshape(y_pred.shape[:-1]), slope.reshape(y_pred.shape)
