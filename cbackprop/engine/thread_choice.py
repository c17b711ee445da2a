"""How many threads the steps of an engine get when nobody has said so: as many as pay, which only trying tells."""

from __future__ import annotations

import math
from collections.abc import Iterator
from time import perf_counter

__all__ = ["Piece", "ThreadChoice"]

# Seconds of a measured piece of a run: shorter ones measure disturbances.
LONG_ENOUGH = 0.002
# Its least steps, unless these are long: the first one wakes the threads, and is not counted.
LEAST_STEPS = 4
# How often each number of threads is measured. The fastest time counts, because disturbances only make a piece slower.
# Steps that are longer than the second number (in seconds) are measured once: they are disturbed less, and cost more.
TRIES, ONCE_IF_LONGER = 4, 0.01
# A number is not measured a third time if it was so much slower twice.
HOPELESS = 3
# More threads must be faster by this factor, because they take processors that others could use.
WORTH_IT = 0.97
# A choice holds for so many seconds, because another program may take a processor or set one free; and for so many
# times what the trial took, so that trials cost little.
HOLDS_FOR, HOLDS_FOR_TRIALS = 2.0, 50
# The longest piece of a run between two looks at the clock, in seconds. Where steps take so many times as long as in
# the trial, the next trial comes at once.
LONGEST, MUCH_SLOWER = 0.25, 1.5


class Piece:
    """Some steps of a run that follow each other, on one number of threads."""

    __slots__ = ("begun", "steps", "threads")

    def __init__(self, threads: int, steps: int) -> None:
        self.threads = threads
        self.steps = steps
        self.begun = perf_counter()


class ThreadChoice:
    """Tries out numbers of threads while steps of one kind run, and keeps to the fastest.

    Steps give the same bits on any number of threads, so a trial costs nothing but time. It doubles the number, or
    halves it, as long as that is faster.

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
        self._seconds: dict[int, float] = {}  # of a step on so many threads, the least of this trial
        self._estimate = math.inf  # of a step, from the last piece
        self._holds_until = 0.0
        self._tried: int | None = None  # the number of the next piece of a trial; None: there is no trial
        self._begin_trial()

    def next(self, steps_left: int) -> Piece:
        """The next piece of a run that has so many steps to go."""
        if self._tried is None:
            steps = LONGEST / self._seconds[self.best]
        elif self._estimate > ONCE_IF_LONGER:
            steps = 1
        else:
            steps = max(LONG_ENOUGH / self._seconds.get(self._tried, math.inf), LEAST_STEPS)
        return Piece(self._tried or self.best, min(max(int(steps), 1), steps_left))

    def done(self, piece: Piece, first_step: float = 0.0) -> None:
        """The piece has run.

        The seconds that its first step took are left out where there are more steps: threads had to be woken for it.
        """
        now = perf_counter()
        took, steps = now - piece.begun, piece.steps
        if first_step and steps > 1:
            took, steps = took - first_step, steps - 1
        seconds = max(took, 1e-9) / steps
        self._estimate = seconds
        if self._tried is not None:
            self._seconds[self._tried] = min(seconds, self._seconds.get(self._tried, math.inf))
            self._tried = next(self._trial, None)
            self._trial_took += now - piece.begun
            self._holds_until = now + max(HOLDS_FOR, HOLDS_FOR_TRIALS * self._trial_took)
        elif now > self._holds_until or seconds > MUCH_SLOWER * self._seconds[self.best]:
            self._begin_trial()

    def _begin_trial(self) -> None:
        self._trial_took = 0.0
        self._trial = self._compare()
        self._tried = next(self._trial)

    def _compare(self) -> Iterator[int]:
        """The numbers of threads of a trial, one for each piece; in the end `best` is the fastest."""
        before = self.best
        yield self.best  # which brings memory and code into the caches: not counted
        self._seconds = {}
        for way in (1, -1):
            other = self._neighbour(way)
            while other is not None:
                yield from self._in_turns(self.best, other)
                factor = WORTH_IT if way > 0 else 1 / WORTH_IT
                if self._seconds[other] >= factor * self._seconds[self.best]:
                    break
                self.best = other
                other = self._neighbour(way)
            if self.best != before:
                return
        if not self._seconds:
            yield self.best  # the only number there is

    def _neighbour(self, way: int) -> int | None:
        """The next larger (1) or smaller (-1) number; ``None`` if there is none."""
        at = self.numbers.index(self.best) + way
        return self.numbers[at] if 0 <= at < len(self.numbers) else None

    def _in_turns(self, one: int, other: int) -> Iterator[int]:
        """Two numbers in turns, because what disturbs one shall disturb the other as well."""
        for number in range(TRIES):
            yield one
            yield other
            a, b = self._seconds[one], self._seconds[other]
            if max(a, b) > ONCE_IF_LONGER or (number and b > HOPELESS * a):
                return
