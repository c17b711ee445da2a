"""Choose the number of threads for the steps of an engine, by trying which is fastest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from time import perf_counter

__all__ = ["ThreadChoice", "Trial"]

# Seconds of a trial: shorter ones mostly measure what else the machine does.
LONG_ENOUGH = 0.002
# The least steps of a trial, unless steps are long. The first one is not counted, because it wakes the threads.
LEAST_STEPS = 4
# How often each number of threads is tried. The fastest time counts, because other programs only make a trial slower.
# If a step takes longer than so many seconds, each is tried once: long steps vary less, and trying them costs more.
TRIES, ONCE_IF_LONGER = 4, 0.01
# A number of threads that was slower by this factor twice is not tried again.
HOPELESS = 3
# More threads must be faster by this factor, because they take processors that others could use.
WORTH_IT = 0.97
# A choice holds for at least this many seconds, and at least this many times as long as the search took, so that
# searches cost little. Then a new search begins, because other programs come and go.
HOLDS_FOR, HOLDS_FOR_SEARCHES = 2.0, 50
# The longest trial in seconds. If its steps take this many times as long as in the search, the next search begins.
LONGEST, MUCH_SLOWER = 0.25, 1.5


class Trial:
    """Consecutive steps of a run on one number of threads, for which the time is measured."""

    __slots__ = ("begun", "steps", "threads")

    def __init__(self, threads: int, steps: int) -> None:
        self.threads = threads
        self.steps = steps
        self.begun = perf_counter()


class ThreadChoice:
    """Finds the fastest number of threads for steps of one kind, while these run.

    A search doubles the number, or halves it, as long as that is faster. It costs only time, because steps give the
    same bits on any number of threads. Between two searches, all steps run on the number that was found.

    Parameters
    ----------
    most : int
        The largest number of threads that may be used, at least 1.

    Attributes
    ----------
    best : int
        The fastest number so far.
    """

    def __init__(self, most: int) -> None:
        self.numbers = [1]
        while self.numbers[-1] < most:
            self.numbers.append(min(2 * self.numbers[-1], most))
        self.best = 1
        self._seconds: dict[int, float] = {}  # the shortest time of a step in this search, by number of threads
        self._estimate = math.inf  # a step's time in the last trial
        self._holds_until = 0.0
        self._next: int | None = None  # the number of threads to try next; None between searches
        self._begin_search()

    def next(self, steps_left: int) -> Trial:
        """The next trial of a run that has `steps_left` steps to go."""
        if self._next is None:
            steps = LONGEST / self._seconds[self.best]
        elif self._estimate > ONCE_IF_LONGER:
            steps = 1
        else:
            steps = max(LONG_ENOUGH / self._seconds.get(self._next, math.inf), LEAST_STEPS)
        return Trial(self._next or self.best, min(max(int(steps), 1), steps_left))

    def done(self, trial: Trial, first_step: float = 0.0) -> None:
        """Store the time of a trial, which has just ended.

        If it had several steps, the time of the first one is left out, because it includes waking the threads.
        """
        now = perf_counter()
        took, steps = now - trial.begun, trial.steps
        if first_step and steps > 1:
            took, steps = took - first_step, steps - 1
        seconds = max(took, 1e-9) / steps
        self._estimate = seconds
        if self._next is not None:
            self._seconds[self._next] = min(seconds, self._seconds.get(self._next, math.inf))
            self._next = next(self._search, None)
            self._search_took += now - trial.begun
            self._holds_until = now + max(HOLDS_FOR, HOLDS_FOR_SEARCHES * self._search_took)
        elif now > self._holds_until or seconds > MUCH_SLOWER * self._seconds[self.best]:
            self._begin_search()

    def _begin_search(self) -> None:
        self._search_took = 0.0
        self._search = self._compare()
        self._next = next(self._search)

    def _compare(self) -> Iterator[int]:
        """The number of threads for each trial of a search. At the end `best` is the fastest."""
        before = self.best
        yield self.best  # not counted: it brings memory and code into the caches
        self._seconds = {}
        for direction in (1, -1):
            other = self._neighbour(direction)
            while other is not None:
                yield from self._alternate(self.best, other)
                factor = WORTH_IT if direction > 0 else 1 / WORTH_IT
                if self._seconds[other] >= factor * self._seconds[self.best]:
                    break
                self.best = other
                other = self._neighbour(direction)
            if self.best != before:
                return
        if not self._seconds:
            yield self.best  # there is no other number

    def _neighbour(self, direction: int) -> int | None:
        """The next larger (1) or smaller (-1) number; ``None`` if there is none."""
        at = self.numbers.index(self.best) + direction
        return self.numbers[at] if 0 <= at < len(self.numbers) else None

    def _alternate(self, one: int, other: int) -> Iterator[int]:
        """Two numbers in turns, so that other programs slow down both alike."""
        for number in range(TRIES):
            yield one
            yield other
            a, b = self._seconds[one], self._seconds[other]
            if max(a, b) > ONCE_IF_LONGER or (number and b > HOPELESS * a):
                return
