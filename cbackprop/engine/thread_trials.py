"""Divides a run into trials, each on a number of threads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from cbackprop import threads
from cbackprop.engine.thread_choice import ThreadChoice

__all__ = ["LEAST_WORK_TO_START", "LEAST_WORK_TO_TRY", "ThreadTrials", "most_threads"]

# A thread must have at least so many floating point operations in a step, or meeting others costs more than it gains.
LEAST_WORK = 1_000_000
# The same where it is tried out how many threads pay: in a step of training or testing, and in a prediction, which has
# to start the threads first.
LEAST_WORK_TO_TRY, LEAST_WORK_TO_START = 250_000, 10_000_000


def most_threads(flops: int, starts: bool = False) -> int:
    """How many threads a run may have whose steps take so many operations; `starts`: it starts them for itself."""
    least = LEAST_WORK_TO_START if starts else LEAST_WORK_TO_TRY
    share = flops // (least if threads.is_auto() else LEAST_WORK)
    return min(threads.limit(), share) if share > 1 else 1


class ThreadTrials:
    """The choices of numbers of threads for an engine: one for each kind of run and size of batch."""

    def __init__(self) -> None:
        self._choices: dict[tuple[str, int, int], ThreadChoice] = {}

    def divide(
        self, kind: str, most: int, start: int, stop: int, batch_size: int, first_step: Callable[[], float]
    ) -> Iterator[tuple[int, int, int]]:
        """Divide the samples start:stop into trials: the number of threads, the first sample, the end.

        If the number of threads is known, there is one trial. Otherwise the time that the caller takes for a trial
        decides which comes next; `first_step` tells how many seconds of it the first step took.
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
