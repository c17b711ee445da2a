"""The sums that losses and metrics are means of, as the compiled engine adds them up."""

from __future__ import annotations

import itertools
from typing import Any

from cbackprop.compiled.engine.sums import Sums

__all__ = ["CompiledSums"]


class CompiledSums:
    """Reads and sets the sums of an engine, all in the form that `Engine.restore` takes.

    Parameters
    ----------
    sums : Sums
        Those of losses.
    metric_states : list of list
        For each output, the objects that add up its metrics.
    n_heads : int
        Everything that has a loss: outputs, then penalties of activities.
    """

    def __init__(self, sums: Sums, metric_states: list[list[Any]], n_heads: int) -> None:
        self.losses, self.metric_states, self.n_heads = sums, metric_states, n_heads

    def get(self) -> Any:
        """All sums since the last reset."""
        return self.losses.get(), self.metric_snapshots()

    def set(self, sums: Any) -> None:
        """Go on from these sums."""
        totals, metrics = sums
        self.losses.set(*totals)
        for states, values in zip(self.metric_states, metrics, strict=True):
            for state, value in zip(states, values, strict=True):
                state.restore(value)

    def metric_snapshots(self) -> list[list[Any]]:
        """The sums of each metric of each output."""
        return [[state.snapshot() for state in states] for states in self.metric_states]

    # What `Learner.train_epochs` writes for an epoch is a row of numbers: total loss, its divisor, losses, metrics.

    def set_epoch(self, row: list[float]) -> None:
        """Go on from the sums of an epoch."""
        (metrics,) = self.metrics_of_epochs([row])
        self.set(((row[0], row[1], row[2 : 2 + self.n_heads]), metrics))

    def losses_of_epochs(self, rows: list[list[float]]) -> tuple[list[float], list[list[float]]]:
        """The mean of the total loss in each epoch; and for each output, the mean of its loss in each epoch."""
        counts = [row[1] or 1.0 for row in rows]
        total, *of_outputs = [
            [row[at] / count for row, count in zip(rows, counts, strict=True)]
            for at in (0, *range(2, 2 + len(self.metric_states)))
        ]
        return total, of_outputs

    def metrics_of_epochs(self, rows: list[list[float]]) -> list[list[list[Any]]]:
        """The `metric_snapshots` of each epoch."""
        counts = [len(states) for states in self.metric_states]
        firsts = [2 + self.n_heads + 2 * before for before in itertools.accumulate(counts, initial=0)]
        places = [range(first, first + 2 * count, 2) for first, count in zip(firsts, counts, strict=False)]
        return [[[(row[at], row[at + 1]) for at in each] for each in places] for row in rows]

    def means(self, total: float, count: float, of_heads: list[float]) -> tuple[float, list[float]]:
        """The mean of the total loss, and of the loss of each output."""
        count = count or 1.0
        return total / count, [each / count for each in of_heads[: len(self.metric_states)]]
