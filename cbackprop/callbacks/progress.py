"""The progress that `fit` shows: a line for each epoch, and on a terminal a live bar during an epoch."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from cbackprop.callbacks.short_number import as_many_as_fit, important_first, room_on_line, short_number
from cbackprop.config import is_interactive_logging_enabled

__all__ = ["REDRAW", "Display", "Logs", "joined"]

Logs = dict[str, float]

# Seconds between two updates of the bar.
REDRAW = 0.05
# The width of everything else on the line: the bar, the percentage, and times of an hour or more.
BESIDE = 41


class Display:
    """Shows the progress of epochs.

    Parameters
    ----------
    verbose : {"auto", 0, 1, 2}
    epochs : int
    samples : int or None
        The number of samples in an epoch, if known in advance.
    """

    def __init__(self, verbose: int | str, epochs: int, samples: int | None) -> None:
        self.verbose = verbose
        self.silent = verbose == 0
        wanted = verbose == 1 or (verbose == "auto" and is_interactive_logging_enabled())
        self.live = wanted and sys.stdout.isatty()
        self.epochs = epochs
        self.samples = samples
        self._bar: Any = None

    @classmethod
    def of(cls, verbose: Any, epochs: int, samples: int | None) -> Display:
        """The display for the argument `verbose`, which in `fit_many` is a display already."""
        return verbose if isinstance(verbose, Display) else cls(verbose, epochs, samples)

    @property
    def shows_epochs(self) -> bool:
        """Whether anything is shown between epochs."""
        return not self.silent

    @staticmethod
    def check(verbose: Any) -> None:
        """Refuse an unknown `verbose`.

        Raises
        ------
        ValueError
            If it is neither "auto" nor 0, 1 or 2.
        """
        if isinstance(verbose, Display):
            return
        known = ("auto",) if isinstance(verbose, str) else (0, 1, 2)
        if not isinstance(verbose, (str, int, np.integer)) or verbose not in known:
            raise ValueError(f"verbose must be 'auto', 0, 1 or 2, but got {verbose!r}.")

    @staticmethod
    def line(verbose: int | str, logs: Logs) -> None:
        """Print one line of results, unless silent."""
        if verbose != 0:
            print(as_many_as_fit(_parts(logs), room_on_line()), flush=True)

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def begin(self, epoch: int) -> None:
        """Called when an epoch begins."""
        if self.silent:
            return
        self._title = f"Epoch {epoch + 1}/{self.epochs}"
        self._started = time.perf_counter()
        if self.live:
            from tqdm import tqdm

            layout = "{desc} {percentage:3.0f}%|{bar:12}| {elapsed}<{remaining}{postfix}"
            self._bar = tqdm(
                total=self.samples,
                desc=self._title,
                bar_format=layout,
                file=sys.stdout,
                leave=False,
                dynamic_ncols=True,
            )
            self._shown = self._started

    def tick(self, logs: Callable[[], Logs]) -> Callable[[int], None] | None:
        """The function that a long epoch calls with the number of finished samples; ``None`` without a terminal."""
        if not self.live:
            return None

        def show(done: int) -> None:
            if time.perf_counter() - self._shown < REDRAW:
                return
            self._shown = time.perf_counter()
            self._bar.n = done if self.samples is None else min(done, self.samples)
            room = room_on_line()
            self._bar.set_postfix_str(as_many_as_fit(_parts(logs()), room and room - len(self._title) - BESIDE))

        return show

    def end(self, logs: Logs) -> None:
        """Called when an epoch has ended."""
        if self.silent:
            return
        seconds = time.perf_counter() - self._started
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        parts = [f"{self._title} - {seconds:.2f} s", *_parts(logs)]
        print(as_many_as_fit(parts, room_on_line()), flush=True)

    def end_several(self, count: int, logs: Logs) -> None:
        """Called when several epochs have ended of which nothing is shown. The logs are those of the last one."""


def joined(logs: Logs) -> str:
    """Logs as one line of text."""
    return " - ".join(f"{name}: {short_number(value)}" for name, value in logs.items())


def _parts(logs: Logs) -> list[str]:
    """A text for each result. On a terminal the losses come first, because there may be no room for all."""
    names = logs if room_on_line() is None else important_first(logs)
    return [f"{name}: {short_number(logs[name])}" for name in names]
