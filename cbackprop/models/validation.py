"""Validation data: what `fit` evaluates, and after which epochs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from cbackprop.engine import Engine
from cbackprop.models.engines import samples_for
from cbackprop.models.ragged import Given, by_length
from cbackprop.models.sources import ArraySource, Source, open_source
from cbackprop.validation import check_integer, check_number, named

__all__ = ["Validation"]


class Validation:
    """The arguments of `fit` that begin with ``validation_``.

    Parameters
    ----------
    split : float
    data : object
    steps, batch_size : int or None
    frequency : int or sequence of int

    Attributes
    ----------
    is_due : callable
        Says whether to evaluate after an epoch, counted from 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong. `data` is checked later, by `source`.
    """

    def __init__(self, split: Any, data: Any, steps: int | None, batch_size: int | None, frequency: Any) -> None:
        self.data, self.steps, self.batch_size = data, steps, batch_size
        self.split = check_number("validation_split", split, 0, 1, open_maximum=True)
        self.is_due = _check_frequency(frequency)

    def source(self, model: Any, engine: Engine, training: Source, epochs: Iterable[int]) -> Source | None:
        """The samples to evaluate after some of the `epochs`: validation data, or a fraction of `training`."""
        found = named("validation_data", lambda data: self._open(model, engine, data, epochs), self.data)
        return training.split(self.split) if found is None and self.split else found

    def limit(self, source: Source) -> None:
        """Limit an evaluation to `steps` batches."""
        source.limit(self.steps, self.batch_size)

    def _open(self, model: Any, engine: Engine, data: Any, epochs: Iterable[int]) -> Source | None:
        if data is None:
            return None
        parts = data if isinstance(data, (tuple, list)) else (data,)
        if not 1 <= len(parts) <= 3:
            raise ValueError(f"expected a tuple (x, y) or (x, y, sample_weight), but got {len(parts)} elements.")
        x, y, sample_weight = by_length(model, Given(*parts), self.batch_size)
        times = sum(map(self.is_due, epochs))
        source = open_source(x, y, sample_weight, steps=self.steps, epochs=times, at_once=model.steps_per_execution)
        source.purpose = "validation"
        if not isinstance(data, (tuple, list)) and isinstance(source, ArraySource):
            raise ValueError(
                f"expected a tuple (x, y) or (x, y, sample_weight), or a dataset, but got {type(data).__name__}."
            )
        source.prepare(partial(samples_for, model, engine))
        return source


def _check_frequency(value: Any) -> Callable[[int], bool]:
    """Whether to evaluate after an epoch, counted from 0."""
    if isinstance(value, (list, tuple, set)):
        chosen = {check_integer("validation_freq", item, 1) for item in value}
        return lambda epoch: epoch + 1 in chosen
    every = check_integer("validation_freq", value, 1)
    return lambda epoch: (epoch + 1) % every == 0
