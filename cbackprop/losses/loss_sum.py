"""LossSum: the sum of several losses of one output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop.losses.called_loss import DeltaOf, judge_in_python
from cbackprop.losses.loss import Loss
from cbackprop.losses.target import check_target

__all__ = ["MEANS", "LossSum"]

Array = NDArray[Any]

# Reductions that take the mean over the rows.
MEANS = ("sum_over_batch_size", "mean")


class LossSum(Loss):
    """The weighted sum of losses. `compile` makes it from a list of losses for one output.

    Each loss keeps its own reduction. Losses in Python and losses of whole batches, such as `Dice`, are called once for
    each batch.

    Parameters
    ----------
    losses : sequence of Loss
    weights : sequence of float, optional

    Raises
    ------
    ValueError
        If they cannot be added up: one of them leaves out targets, which would leave them out for all; or
        ``"mean_with_sample_weight"``, which has another divisor, is mixed with other reductions.
    """

    implementation = "losses.python_loss.PythonLoss"
    couples_samples = True
    target_kind = "given"

    def __init__(self, losses: Sequence[Loss], weights: Sequence[float] | None = None) -> None:
        _check(losses)
        reductions = {"mean" if loss.reduction in MEANS else loss.reduction for loss in losses}
        reduction = losses[0].reduction if len(reductions) == 1 else "sum_over_batch_size"
        super().__init__("_".join(loss.name for loss in losses), reduction, losses[0].dtype)
        self.losses, self.weights = list(losses), list(weights or [1.0] * len(losses))
        # A sum over rows can be written as a mean only if all rows count.
        self.needs_all_rows = len(reductions) > 1
        kinds = {loss.target_kind for loss in losses}
        self.target_kind = kinds.pop() if len(kinds) == 1 else "given"  # type: ignore[misc]

    @property
    def parts(self) -> list[Loss]:
        """The losses that are added up."""
        return self.losses

    def repeats_targets(self) -> bool:
        """Whether all losses accept one target for all elements of a row."""
        return all(loss.repeats_targets() for loss in self.losses)

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        """Compute the sum of the losses for predictions that are arrays."""
        found = [loss(y_true, y_pred, sample_weight) for loss in self.losses]
        return np.dtype(self.dtype).type(sum(w * value for w, value in zip(self.weights, found, strict=True)))

    def judge(self, y_true: Array, y_pred: Array) -> tuple[NDArray[np.float64], DeltaOf]:
        """Values of rows, and a function that turns the weight of each value in the total loss into the delta."""
        rows = y_pred.reshape(-1, y_pred.shape[-1] if y_pred.ndim > 1 else 1)
        total, deltas = np.zeros(len(rows)), []
        for loss, weight in zip(self.losses, self.weights, strict=True):
            factor = weight * (len(rows) if loss.reduction == "sum" != self.reduction else 1)
            values, delta_of = self._judge_one(loss, y_true, y_pred)
            total += factor * values
            deltas.append((factor, delta_of))

        def delta(coefficients: NDArray[np.float64]) -> Array:
            found: Array = sum((of(factor * coefficients) for factor, of in deltas), np.zeros_like(rows))
            return found

        return total, delta

    def _judge_one(self, loss: Loss, y_true: Array, y_pred: Array) -> tuple[NDArray[np.float64], DeltaOf]:
        target, shape = y_true, y_pred.shape
        if loss.target_kind != self.target_kind:
            target = check_target("y", y_true, shape, loss.target_kind, y_pred.dtype.name, loss.target_rules())
        if type(loss).call is not Loss.call:
            if loss.target_kind != "given":
                target = target.reshape(shape[:-1] if loss.target_kind == "index" else shape)
            return judge_in_python(loss, target.copy(), y_pred.copy())
        rows = np.ascontiguousarray(y_pred.reshape(-1, shape[-1] if len(shape) > 1 else 1))
        function = loss.row_function(False, rows.dtype.name)
        function.set_shape(shape[1:] or (1,))
        of_classes = loss.target_kind == "index"
        evaluate = function.values_of_classes if of_classes else function.values
        read = np.ascontiguousarray(target.reshape(-1) if of_classes else target.reshape(rows.shape))

        def delta(coefficients: NDArray[np.float64]) -> Array:
            found = np.empty_like(rows)
            evaluate(read, rows, np.ascontiguousarray(coefficients), found)
            return found

        return evaluate(read, rows), delta


def _check(losses: Sequence[Loss]) -> None:
    names = f"The losses {[loss.name for loss in losses]} of one output cannot be added up: "
    for loss in losses:
        if loss.missing or getattr(loss, "ignore_class", None) is not None:
            argument = "missing" if loss.missing else "ignore_class"
            raise ValueError(f"{names}{loss.name!r} leaves targets out ({argument}). Write a loss that adds them.")
    reductions = {loss.reduction for loss in losses}
    if "mean_with_sample_weight" in reductions and len(reductions) > 1:
        raise ValueError(
            f"{names}'mean_with_sample_weight' cannot be mixed with other reductions, but got "
            f"{sorted(map(str, reductions))}. Give all losses the same reduction."
        )
    kinds = {loss.target_kind for loss in losses}
    if "half" in kinds and len(kinds) > 1:
        raise ValueError(f"{names}some read targets half as wide as the predictions, and others do not.")
