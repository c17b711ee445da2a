"""Divides a run into trials, each on a number of threads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from cbackprop import threads
from cbackprop.engine.thread_choice import ThreadChoice

__all__ = ["LEAST_WORK_TO_START", "LEAST_WORK_TO_TRY", "ThreadTrials", "most_threads"]

# The least floating point operations of a thread in a step. For less work, meeting other threads costs more than it
# gains.
LEAST_WORK = 1_000_000
# The same if the number of threads is found by trials: in a step of training or testing; and in a prediction, which
# must start the threads first.
LEAST_WORK_TO_TRY, LEAST_WORK_TO_START = 250_000, 10_000_000


def most_threads(flops: int, starts: bool = False) -> int:
    """The most threads for a run whose steps take `flops` operations. `starts`: the run has to start the threads."""
    least = LEAST_WORK_TO_START if starts else LEAST_WORK_TO_TRY
    share = flops // (least if threads.is_auto() else LEAST_WORK)
    return min(threads.limit(), share) if share > 1 else 1


class ThreadTrials:
    """An engine's choices of the number of threads: one for each kind of run and batch size."""

    def __init__(self) -> None:
        self._choices: dict[tuple[str, int, int], ThreadChoice] = {}

    def divide(
        self, kind: str, most: int, start: int, stop: int, batch_size: int, first_step: Callable[[], float]
    ) -> Iterator[tuple[int, int, int]]:
        """Divide the samples start:stop into trials: the number of threads, the first sample, the end.

        If the number of threads is fixed, there is one trial. Otherwise the time that the caller takes for a trial
        decides which number comes next. `first_step` returns the seconds of the trial's first step.
        """
        if most == 1 or not threads.is_auto():
            yield most, start, stop
            return
        choice = self._choices.setdefault((kind, most, batch_size.bit_length()), ThreadChoice(most))
        while start < stop:
            trial = choice.next(math.ceil((stop - start) / batch_size))
            end = min(start + trial.steps * batch_size, stop)
            yield trial.threads, start, end
            choice.done(trial, first_step())
            start = end
