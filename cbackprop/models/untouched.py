"""Run a model and restore everything afterwards: weights, optimizer, states, metrics."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cbackprop.engine import Engine
from cbackprop.models.evaluation import metrics_of_layers
from cbackprop.models.lasting_states import lasting_arrays

__all__ = ["Remembered", "untouched"]


class Remembered:
    """A copy of everything that a training step of a model changes.

    Parameters
    ----------
    model : Model
    engine : Engine
        The engine that trains the model.
    """

    def __init__(self, model: Any, engine: Engine) -> None:
        self.engine, self.state = engine, engine.state
        self.with_slots = set(self.state.slots)  # empty before the first step
        engine.bind()
        variables = dict.fromkeys([*model.variables, *engine.plan.variables])
        self.weights = [(variable, variable.numpy()) for variable in variables]
        self.slots = [
            (variable, [None if slot is None else slot.copy() for slot in slots])
            for variable, slots in self.state.slots.items()
        ]
        self.lasting = [(array, array.copy()) for array in lasting_arrays(engine)]
        self.batches, self.problem = self.state.batches, engine.problem
        self.search = self._copy(self.state.search)
        self.metrics = [(metric, metric.snapshot()) for metric in metrics_of_layers(model, engine)]
        self.settings = self._settings()

    def _copy(self, search: Any) -> Any:
        """A copy of a full-batch optimizer's state, for the same variables."""
        return copy.deepcopy(search, {id(variable): variable for variable in self.state.slots})

    def _settings(self) -> Any:
        """The optimizer's numeric settings, such as the learning rate."""
        return None if self.engine.optimizer is None else self.engine.optimizer.get_config()

    def restore(self) -> None:
        """Restore everything."""
        for variable, value in self.weights:
            variable.array[...] = value
        for variable, slots in self.slots:
            for slot, value in zip(self.state.slots[variable], slots, strict=True):
                if slot is not None:
                    slot[...] = value
        self.restore_states()
        self.state.batches, self.engine.problem = self.batches, self.problem
        self.state.search = self._copy(self.search)
        for metric, state in self.metrics:
            metric.restore(state)

    def restore_states(self) -> None:
        """Restore the states that layers keep from batch to batch."""
        for array, value in self.lasting:
            array[...] = value

    def forget_new_slots(self) -> None:
        """Drop slots that did not exist before. The next step makes them again."""
        new = [variable for variable in self.state.slots if variable not in self.with_slots]
        for variable in new:
            del self.state.slots[variable]
        self.engine.bound = self.engine.bound and not new

    def is_current(self) -> bool:
        """Whether nothing has changed since this was made."""
        same = all(alike(variable.array, value) for variable, value in self.weights)
        known = [(self.state.slots.get(variable), slots) for variable, slots in self.slots]
        pairs = [pair for now, then in known if now is not None for pair in zip(now, then, strict=True)]
        pairs += self.lasting
        same = same and all(alike(a, b) for a, b in pairs if a is not None)
        return same and self.state.batches == self.batches and self._settings() == self.settings


def alike(now: Any, then: Any) -> bool:
    """Whether two arrays hold the same numbers. NaN equals NaN: diverged weights contain it."""
    return bool(((now == then) | ((now != now) & (then != then))).all())


@contextmanager
def untouched(model: Any, engine: Engine) -> Iterator[Remembered]:
    """Lock the model for a ``with`` block, and restore everything when it ends."""
    with engine.fresh_means():
        remembered = Remembered(model, engine)
        try:
            yield remembered
        finally:
            remembered.restore()
            remembered.forget_new_slots()
