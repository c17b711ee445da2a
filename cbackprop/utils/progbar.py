"""Progbar: a progress bar for your own loops."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

from cbackprop.callbacks.short_number import as_many_as_fit, room_on_line, short_number
from cbackprop.validation import check_integer, check_number

__all__ = ["Progbar"]


class Progbar:
    """A progress bar for your own loops, with averages of measured values.

    Parameters
    ----------
    target : int or None
        The number of steps; ``None`` if it is unknown.
    width : int, default 20
        The width of the bar in characters.
    verbose : {0, 1, 2}, default 1
        0 prints nothing, 1 a bar, 2 one line at the end.
    interval : float, default 0.05
        The minimum number of seconds between two updates of the display.
    stateful_metrics : iterable of str, optional
        Names of values that are shown unchanged; all others are averaged over the steps.
    stateless_metrics : iterable of str, optional
        Names of values that are averaged; all others are shown unchanged.
    unit_name : str, default "step"
        The name of a step.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range, or both kinds of names are given.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> bar = cb.utils.Progbar(3, verbose=0)
    >>> for step in range(1, 4):
    ...     bar.update(step, [("loss", 1 / step)])
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError(
                "Only one of stateful_metrics and stateless_metrics can be given: all other values are of the other "
                "kind."
            )
        self.target = None if target is None else check_integer("target", target, 0)
        self.width = check_integer("width", width, 0)
        self.verbose = check_integer("verbose", verbose, 0, 2)
        self.interval = check_number("interval", interval, 0)
        self.stateful_metrics = None if stateless_metrics is not None else set(stateful_metrics or ())
        self.stateless_metrics = None if stateless_metrics is None else set(stateless_metrics)
        self.unit_name = unit_name
        self._values: dict[str, tuple[float, float]] = {}  # for each value its sum and the number of steps
        self._seen, self._begin, self._drawn, self._length = 0, time.time(), 0.0, 0

    def update(
        self, current: int, values: Iterable[tuple[str, Any]] | None = None, finalize: bool | None = None
    ) -> None:
        """Show that `current` steps are done.

        Parameters
        ----------
        current : int
        values : iterable of (str, number), optional
            The values measured in the last step.
        finalize : bool, optional
            Whether this was the last step; by default it is if all steps are done.
        """
        last = (self.target is not None and current >= self.target) if finalize is None else finalize
        for name, value in values or ():
            self._take(name, float(np.mean(value)), max(current - self._seen, 1), last)
        self._seen = current
        now = time.time()
        if self.verbose == 1 and (last or now - self._drawn >= self.interval):
            self._draw(current, now, last)
        elif self.verbose == 2 and last:
            parts = [self._count(current), *self._measured(current, now, last=True)]
            sys.stdout.write(as_many_as_fit(parts, room_on_line()) + "\n")

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Show that `n` more steps are done."""
        self.update(self._seen + n, values)

    def _take(self, name: str, value: float, steps: int, last: bool) -> None:
        averaged = (
            name not in self.stateful_metrics
            if self.stateful_metrics is not None
            else name in (self.stateless_metrics or ())
        )
        if not averaged or last:
            self._values[name] = value, 1
        else:
            total, count = self._values.get(name, (0.0, 0))
            self._values[name] = total + value * steps, count + steps

    def _draw(self, current: int, now: float, last: bool) -> None:
        bar = ""
        if self.target:
            done = min(int(self.width * current / self.target), self.width)
            bar = f" {'━' * done}{'╌' * (self.width - done)}"
        first, *values = self._measured(current, now, last)
        line = as_many_as_fit([f"{self._count(current)}{bar} {first}", *values], room_on_line())
        padding = " " * max(self._length - len(line), 0)
        sys.stdout.write(f"\r{line}{padding}" + ("\n" if last else ""))
        sys.stdout.flush()
        self._drawn, self._length = now, len(line)

    def _count(self, current: int) -> str:
        if self.target is None:
            return f"{current}/Unknown"
        return f"{current:>{len(str(self.target))}}/{self.target}"

    def _measured(self, current: int, now: float, last: bool) -> list[str]:
        """The remaining or total time with the time of a step, and the values, as texts."""
        step = (now - self._begin) / current if current else 0.0
        left = step * (self.target - current) if self.target and not last else now - self._begin
        parts = [f"{_clock(left)} {_duration(step)}/{self.unit_name}"]
        for name, (total, count) in self._values.items():
            parts.append(f"{name}: {short_number(total / max(count, 1))}")
        return parts


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest} s"


def _duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size or seconds == 0:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 1e-6:.0f} µs"
