"""Samples in arrays in memory. They are checked once, before training."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.engine import Data
from cbackprop.models.data import Samples
from cbackprop.models.sources.order import Order, batch_size_for
from cbackprop.models.sources.source import Check, Piece, Source, whole_executions

__all__ = ["ArraySource", "split_at"]

# Frames from `prepare` up to the user's line, by purpose.
PREPARED = {"training": 3, "validation": 7, "evaluation": 3, "prediction": 3}


class ArraySource(Source):
    """Samples in arrays, in a random order or in the order of the arrays.

    Parameters
    ----------
    x, y, sample_weight, class_weight
        As in `fit`.
    batch_size : int or None
    steps : int or None
        Batches in an epoch.
    shuffle : bool
    at_once : int, default 1
        Batches that are always taken together (`steps_per_execution`).
    """

    batch_size: int = 32

    def __init__(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        batch_size: int | None = None,
        steps: int | None = None,
        shuffle: bool = False,
        at_once: int = 1,
    ) -> None:
        self.example, self.at_once = x, at_once
        self._given = (x, y, sample_weight, class_weight)
        self._batch_size, self._steps, self._shuffle = batch_size, steps, shuffle
        self._asked: int | None = None  # the number of batches of an evaluation, if set

    def prepare(self, check: Check) -> None:
        """Check all arrays."""
        self._check = check
        samples = check(*self._given)
        self._look_for_targets(samples)
        self._tell_of_lacking(PREPARED[self.purpose])
        self._set(samples)

    def _set(self, samples: Samples) -> None:
        self._checked = samples
        samples.data.hold()
        self.batch_size = batch_size_for(self._batch_size, self._steps, samples.size)
        taken = None if self._steps is None else whole_executions(self._steps, self.at_once)
        self._order = Order(samples.size, self.batch_size, self._shuffle, taken)
        self.steps, self.samples = self._steps or self._order.steps, self._order.samples
        self._end = samples.size

    def split(self, fraction: float) -> ArraySource:
        """Keep the first samples, and return a source of the last ones."""
        checked = self._checked
        at = split_at(checked.size, fraction)
        x, y, sample_weight, class_weight = self._given
        # Class weights are for training only.
        whole = checked if class_weight is None else self._check(x, y, sample_weight, None)
        held_out = ArraySource(x, batch_size=self._batch_size, at_once=self.at_once)
        held_out.purpose = "validation"
        held_out._set(whole.part(at, checked.size))
        self._set(checked.part(0, at))
        for source in [] if self._lacking else [self, held_out]:  # if lacking, a warning has been given already
            source._lacking, source._told_of_lacking = None, False
            source._look_for_targets(source._checked)
            source._tell_of_lacking(4)
        return held_out

    def join(self) -> None:
        """Make one batch of all samples."""
        size, steps, asked = self._checked.size, self._steps, self._batch_size
        if steps not in (None, 1) or (asked is not None and asked < size):
            given = f"batch_size={asked}" if steps in (None, 1) else f"steps_per_epoch={steps}"
            raise ValueError(f"The optimizer needs all {size} samples in one batch, but got {given}. Leave it out.")
        self._batch_size, self._steps = size, None
        self._set(self._checked)

    def limit(self, steps: int | None, batch_size: int | None) -> None:
        """Set the batch size and the maximum number of batches of an evaluation."""
        size = self._checked.size
        self.batch_size = batch_size_for(batch_size or self._batch_size, steps, size)
        self._asked = None if steps is None else whole_executions(steps, self.at_once)
        self._end = size if self._asked is None else min(size, self._asked * self.batch_size)

    def epoch(self) -> Iterator[Piece]:
        """All samples, or some of them, as one piece."""
        rows, begin, end = self._order.take()
        piece = Piece(self._checked.data, rows, begin, end, self.batch_size)
        yield piece
        self._warn_of_fewer(piece.steps, self._order.steps if self._steps else None)

    @property
    def next_is_a_pass(self) -> bool:
        """Whether each of the next epochs is exactly one pass over all samples."""
        return self._steps is None and self._order.next_is_a_pass

    def take_passes(self, count: int) -> tuple[Data, NDArray[np.uint64] | None]:
        """The data, and the keys of the orders of the next `count` epochs, if each is a pass over all samples."""
        return self._checked.data, self._order.take_passes(count)

    def go_back(self, before: dict[str, Any], done: int) -> None:
        """Go back to the point where `done` passes had been taken since the random state `before`."""
        self._order.go_back(before, done)

    def state(self) -> dict[str, Any] | None:
        """Where the next epoch begins."""
        return self._order.state()

    def set_state(self, state: dict[str, Any] | None) -> None:
        """Let the next epoch begin at a saved state."""
        if state is not None:
            self._order.set_state(state)

    def sweep(self) -> Iterator[Piece]:
        """The samples of an evaluation or prediction: the first ones, or all."""
        piece = Piece(self._checked.data, None, 0, self._end, self.batch_size)
        yield piece
        self._warn_of_fewer(piece.steps, self._asked)


def split_at(size: int, fraction: float) -> int:
    """The number of samples to keep; the others are held out. Rounded as in Keras.

    Raises
    ------
    ValueError
        If one part would be empty.
    """
    at = math.floor(size * (1 - fraction))
    if not 0 < at < size:
        raise ValueError(f"validation_split {fraction} of {size} samples leaves one part empty.")
    return at
