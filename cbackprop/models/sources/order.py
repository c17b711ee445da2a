"""The order in which epochs visit the samples of arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop import random

__all__ = ["Order", "batch_size_for"]


class Order:
    """The order in which epochs visit the samples.

    Parameters
    ----------
    size : int
        Number of samples.
    batch_size : int
    shuffle : bool
        Whether to draw a new order for each pass over the samples. Otherwise samples come in the order of the arrays.
    steps : int or None
        The maximum number of batches in an epoch. With ``None`` an epoch is a pass.
    """

    def __init__(self, size: int, batch_size: int, shuffle: bool, steps: int | None) -> None:
        self.size = size
        self.batch_size = batch_size
        self.shuffle = shuffle and size > batch_size  # a single batch is the same in any order
        self.steps = steps or math.ceil(size / batch_size)
        self.samples = min(size, self.steps * batch_size)
        self._position = size
        self._drawn: dict[str, Any] | None = None  # the random state from which the current order was drawn
        self._rows: NDArray[np.int64] | None = None

    def take(self) -> tuple[NDArray[np.int64] | None, int, int]:
        """The next epoch as (order, begin, end). It ends at the latest with the pass over the samples."""
        if self._position >= self.size:
            self._position = 0
            self._draw()
        begin = self._position
        self._position = min(begin + self.steps * self.batch_size, self.size)
        return self._rows, begin, self._position

    @property
    def next_is_a_pass(self) -> bool:
        """Whether each of the next epochs is exactly one pass over all samples."""
        return self._position >= self.size and self.samples == self.size

    def take_passes(self, count: int) -> NDArray[np.uint64] | None:
        """The keys of the next `count` orders, if each is that of a pass over all samples; ``None`` without shuffling.

        The caller draws the orders: `random.permutation` would draw them from these keys.
        """
        if not self.shuffle:
            return None
        keys, self._drawn = random.permutation_keys(count)
        return keys

    def go_back(self, before: dict[str, Any], done: int) -> None:
        """Go back to the point where `done` passes had been taken since the random state `before`."""
        self._position = self.size
        if self.shuffle:
            random.set_state(before)
            random.permutation_keys(done)

    def _draw(self) -> None:
        if self.shuffle:
            self._drawn = random.state()
            self._rows = random.permutation(self.size)

    def state(self) -> dict[str, Any]:
        """The state as plain values, for `set_state`."""
        return {"position": self._position, "drawn": self._drawn, "shuffle": self.shuffle}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue the pass of a saved state. This changes the random state."""
        self._position = min(state["position"], self.size)
        if self._position < self.size and self.shuffle and state["drawn"] is not None:
            random.set_state(state["drawn"])
            self._draw()


def batch_size_for(given: int | None, steps: int | None, samples: int) -> int:
    """The batch size: as given, or such that all samples fit into these steps, or 32, as in Keras."""
    if given is not None:
        return given
    return 32 if steps is None else max(math.ceil(samples / steps), 1)
