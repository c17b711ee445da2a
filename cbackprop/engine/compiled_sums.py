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

    def of_epochs(self, rows: list[list[float]]) -> list[Any]:
        """The sums of epochs, from what `Learner.train_epochs` has written for each."""
        end = 2 + self.n_heads
        counts = [len(states) for states in self.metric_states]
        firsts = [end + 2 * before for before in itertools.accumulate(counts, initial=0)]
        places = [range(first, first + 2 * count, 2) for first, count in zip(firsts, counts, strict=False)]
        return [
            ((row[0], row[1], row[2:end]), [[(row[at], row[at + 1]) for at in each] for each in places]) for row in rows
        ]

    def means(self, total: float, count: float, of_heads: list[float]) -> tuple[float, list[float]]:
        """The mean of the total loss, and of the loss of each output."""
        count = count or 1.0
        return total / count, [each / count for each in of_heads[: len(self.metric_states)]]
