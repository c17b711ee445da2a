"""Run `fit` for many models in a pool of threads."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import Any

from cbackprop import random, threads
from cbackprop.callbacks import History
from cbackprop.callbacks.progress_of_many import DisplayOfMany, Stopped
from cbackprop.models.engine_pool import EnginePool

__all__ = ["ManyRuns"]


class ManyRuns:
    """The runs of one call of `fit_many`.

    Each thread takes the next waiting model and trains it alone. A model's numbers depend only on its own seed, so it
    does not matter which thread takes it, and when.

    Parameters
    ----------
    models : list of Model
    arguments : callable
        Makes the arguments of `fit` for the model of an index.
    seeds : list of int
    display : DisplayOfMany

    Attributes
    ----------
    results : list of (History or Exception or None)
        The result of each model; ``None`` until it is trained.
    """

    def __init__(
        self, models: list[Any], arguments: Callable[[int], dict[str, Any]], seeds: list[int], display: DisplayOfMany
    ) -> None:
        self.models, self.arguments, self.seeds, self.display = models, arguments, seeds, display
        self.results: list[History | Exception | None] = [None] * len(models)
        self.failed: int | None = None  # the first model that raised
        self.fatal: BaseException | None = None  # an exception that must end everything, such as SystemExit

    def run(self, workers: int, goes_on: bool) -> bool:
        """Train all models in this many threads; False if Ctrl-C ended that early.

        With `goes_on`, an exception of one model does not stop the others.
        """
        self.goes_on = goes_on
        self.left: Iterator[int] = iter(range(len(self.models)))
        self.taking = threading.Lock()
        helpers = [
            threading.Thread(target=contextvars.copy_context().run, args=(self._work,), name=f"fit_many-{number}")
            for number in range(workers)
        ]
        completed = True
        try:
            for helper in helpers:
                helper.start()
            self._wait(helpers)
        except KeyboardInterrupt:
            completed = False
        finally:
            self.display.stop.set()
            for helper in helpers:
                if helper.ident is not None:
                    helper.join()
        if self.fatal is not None:
            raise self.fatal
        return completed

    def _wait(self, helpers: list[threading.Thread]) -> None:
        """Wait for all threads, and show their progress."""
        for helper in helpers:
            while helper.is_alive():
                helper.join(self.display.interval)
                self.display.show()

    def _work(self) -> None:
        """The work of each thread."""
        pool = EnginePool()
        with threads.own_limit(1):
            while not self.display.stop.is_set():
                with self.taking:
                    index = next(self.left, None)
                if index is None:
                    return
                self._fit(index, pool)

    def _fit(self, index: int, pool: EnginePool) -> None:
        model = self.models[index]
        try:
            arguments = self.arguments(index)
            with random.seeded(self.seeds[index]), pool.serve(model, data_stays=arguments["callbacks"] is None):
                self.results[index] = model.fit(**arguments, verbose=self.display.run(index))
                model.settle_position(self.results[index])
            self.display.model_done(index, model.name)
        except Stopped:
            pass
        except Exception as error:
            self.results[index] = error
            with self.taking:
                self.failed = index if self.failed is None else self.failed
            if not self.goes_on:
                self.display.stop.set()
        except BaseException as error:
            self.fatal = error
            self.display.stop.set()
