"""RowBatches: data sets of numbered samples in an order that is drawn again for each pass."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.py_dataset import PyDataset
from cbackprop.validation import check_integer

__all__ = ["RowBatches"]


class RowBatches(PyDataset):
    """Base of data sets that make batches of numbered samples.

    A subclass defines `rows`. Training asks for the order of a whole pass before it takes the first batch, and `fit`
    does not shuffle the batches further. So the batches do not depend on the number of threads that make them.

    Parameters
    ----------
    count : int
        The number of samples.
    batch_size : int or None
        With ``None``, the data set returns single samples.
    seed : int or None
        Seed of the orders. With ``None``, samples stay in order.
    first : bool
        Whether the first pass has a random order, too.
    workers : int, default 1
        The number of threads that make batches.
    max_queue_size : int, default 10
        The largest number of batches that are made ahead.
    """

    def __init__(
        self,
        count: int,
        batch_size: int | None,
        seed: int | None,
        first: bool = True,
        workers: int = 1,
        max_queue_size: int = 10,
    ) -> None:
        super().__init__(workers=workers, max_queue_size=max_queue_size)
        self.batch_size = batch_size
        self._count = count
        self._random = None if seed is None else np.random.default_rng(seed)
        self._order: NDArray[np.int64] | None = None  # samples are in order
        self._is_new = True
        if first:
            self.on_epoch_end()

    def rows(self, rows: Any) -> Any:
        """The batch of the samples with these numbers (an array or a slice), or the sample with one number."""
        raise NotImplementedError(f"{type(self).__name__} must define rows.")

    def __len__(self) -> int:
        """The number of batches; without a batch size, of samples."""
        return -(-self._count // (self.batch_size or 1))

    def __getitem__(self, index: int) -> Any:
        """A batch of the current order."""
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"there are {count} batches, but got the number {index}.")
        return self.rows(self._numbers(self._order, index % count))

    def __iter__(self) -> Iterator[Any]:
        """Yield all batches; if samples are shuffled, in another order each time."""
        return map(self.rows, self.new_pass())

    def take(self, count: int) -> Iterator[Any]:
        """The first `count` batches."""
        return itertools.islice(self, check_integer("count", count, 0))

    def on_epoch_end(self) -> None:
        """Draw another order if samples are shuffled."""
        if self._random is not None:
            self._order = self._random.permutation(self._count)

    def new_pass(self) -> Iterator[Any]:
        """The arguments of `rows` for each batch of a new pass. Only the first pass has the current order."""
        if not self._is_new:
            self.on_epoch_end()
        self._is_new = False
        order = self._order
        return (self._numbers(order, index) for index in range(len(self)))

    def _numbers(self, order: NDArray[np.int64] | None, index: int) -> Any:
        """The numbers of the samples in a batch."""
        if self.batch_size is None:
            return index if order is None else int(order[index])
        span = slice(index * self.batch_size, min((index + 1) * self.batch_size, self._count))
        return span if order is None else order[span]
