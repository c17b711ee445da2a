"""Data sets that are made a batch at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from cbackprop.validation import check_boolean, check_integer

__all__ = ["PyDataset"]


class PyDataset:
    """Base of data sets that make each batch when it is needed, by number.

    Override ``__getitem__``, which returns a batch (inputs, targets) or (inputs, targets, sample weights), and
    ``__len__``, the number of batches. `fit`, `evaluate` and `predict` take such an object as `x`; threads of their own
    call ``__getitem__`` ahead of training, so that reading files and training go on at the same time.

    Parameters
    ----------
    workers : int, default 1
        Threads that make batches. With 0 or 1 there is one.
    use_multiprocessing : bool, default False
        Taken for the sake of scripts written for Keras: threads do the work anyway, and a warning says so.
    max_queue_size : int, default 10
        Batches that are made ahead at most; 0 leaves it to the library.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.

    References
    ----------
    Names and defaults are those of Keras 3, where this is also called ``keras.utils.Sequence``.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> class Squares(cb.utils.PyDataset):
    ...     def __len__(self):
    ...         return 10
    ...
    ...     def __getitem__(self, index):
    ...         x = np.arange(8.0).reshape(8, 1) / 10 + index
    ...         return x, x**2
    >>> model = cb.Sequential([cb.layers.Dense(1)])
    >>> model.compile("adam", "mse")
    >>> len(model.fit(Squares(workers=2), epochs=3, verbose=0).history["loss"])
    3
    """

    workers: int = 1
    use_multiprocessing: bool = False
    max_queue_size: int = 10

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        self.workers = check_integer("workers", workers, 0)
        self.use_multiprocessing = check_boolean("use_multiprocessing", use_multiprocessing)
        self.max_queue_size = check_integer("max_queue_size", max_queue_size, 0)

    def __getitem__(self, index: int) -> Any:
        """The batch of this number, counted from 0."""
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(index), which returns a batch.")

    @property
    def num_batches(self) -> int | None:
        """Number of batches: ``len(self)``. A subclass may say ``None``: without end.

        Raises
        ------
        NotImplementedError
            If there is no ``__len__``.
        """
        if not hasattr(self, "__len__"):
            raise NotImplementedError(f"{type(self).__name__} must define __len__, the number of batches.")
        return len(self)

    def __iter__(self) -> Iterator[Any]:
        """All batches, in order; without end if there is no telling how many there are."""
        try:
            number = self.num_batches
        except NotImplementedError:
            number = None
        return map(self.__getitem__, itertools.count() if number is None else range(number))

    def on_epoch_begin(self) -> None:
        """Called before an epoch's first batch is made."""

    def on_epoch_end(self) -> None:
        """Called after an epoch's last batch."""
