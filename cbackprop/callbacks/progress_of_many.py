"""The progress that `fit_many` shows: one bar over all models, or a line for each."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from cbackprop.callbacks.progress import REDRAW, Display, Logs, joined
from cbackprop.config import is_interactive_logging_enabled

__all__ = ["DisplayOfMany", "Stopped"]


class Stopped(BaseException):
    """Ends one model's run when all runs must end. Not an `Exception`, so that user code does not catch it."""


class DisplayOfMany:
    """Shows the progress of training many models. Their threads report to it.

    Parameters
    ----------
    verbose : {"auto", 0, 1, 2}
    epochs : list of int
        The epochs of each model.
    """

    def __init__(self, verbose: int | str, epochs: list[int]) -> None:
        wanted = verbose == 1 or (verbose == "auto" and is_interactive_logging_enabled())
        self.live = wanted and sys.stdout.isatty()
        self.each_model = verbose == 2
        self.total = wanted or self.each_model
        self.epochs = epochs
        self.stop = threading.Event()  # set when the runs of all models must end
        self.models = 0
        self._passed = [0] * len(epochs)
        self._bar: Any = None
        self._last: Logs = {}

    def __enter__(self) -> DisplayOfMany:
        self._started = time.perf_counter()
        if self.live:
            from tqdm import tqdm

            layout = "{desc} {percentage:3.0f}%|{bar:12}| {elapsed}<{remaining}{postfix}"
            self._bar = tqdm(
                total=sum(self.epochs), bar_format=layout, file=sys.stdout, leave=False, dynamic_ncols=True
            )
            self.show()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
        if self.total:
            seconds = time.perf_counter() - self._started
            print(f"{self._title()} - {seconds:.2f}s - {joined(self._last)}".removesuffix(" - "), flush=True)

    def _title(self) -> str:
        return f"Models {self.models}/{len(self.epochs)}"

    def run(self, index: int) -> Display:
        """The display of one model's `fit`."""
        return _DisplayOfOne(self, index)

    def epochs_done(self, index: int, count: int, logs: Logs) -> None:
        """Called when a model has finished epochs. The logs are those of the last one."""
        self._passed[index] += count
        self._last = logs

    def model_done(self, index: int, name: str) -> None:
        """Called when a model is trained. Epochs that it skipped count as finished."""
        self.models += 1
        epochs, self._passed[index] = self._passed[index], self.epochs[index]
        if self.each_model:
            print(f"models[{index}] {name!r} - {epochs} epochs - {joined(self._last)}".removesuffix(" - "), flush=True)

    def show(self) -> None:
        """Draw the bar. Only the thread that called `fit_many` does so."""
        if self._bar is not None:
            self._bar.n = sum(self._passed)
            self._bar.set_description_str(self._title(), refresh=False)
            self._bar.set_postfix_str(joined(self._last))

    @property
    def interval(self) -> float:
        """Seconds between two updates of the bar. Without a bar, between checks for Ctrl-C, which Windows needs."""
        return REDRAW if self.live else 0.25


class _DisplayOfOne(Display):
    """Shows nothing for one model's `fit`, but reports its epochs, and ends it when all runs must end."""

    def __init__(self, whole: DisplayOfMany, index: int) -> None:
        super().__init__(0, 0, None)
        self._whole, self._index = whole, index

    def tick(self, logs: Callable[[], Logs]) -> Callable[[int], None]:
        """The function that a long epoch calls from time to time."""
        return self._look

    def _look(self, done: int) -> None:
        if self._whole.stop.is_set():
            raise Stopped

    def end(self, logs: Logs) -> None:
        """Called when an epoch has ended."""
        self.end_several(1, logs)

    def end_several(self, count: int, logs: Logs) -> None:
        """Called when several epochs have ended."""
        self._whole.epochs_done(self._index, count, logs)
