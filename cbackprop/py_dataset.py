"""PyDataset: data sets that make one batch at a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from cbackprop.validation import check_boolean, check_integer

__all__ = ["PyDataset"]


class PyDataset:
    """Base of data sets that make each batch when it is needed.

    Override ``__getitem__``, which returns the batch of a number as (inputs, targets) or (inputs, targets, sample
    weights), and ``__len__``, the number of batches. `fit`, `evaluate` and `predict` take such an object as `x`. Other
    threads call ``__getitem__`` ahead of time, so that data is read during training.

    Parameters
    ----------
    workers : int, default 1
        The number of threads that make batches. 0 means 1.
    use_multiprocessing : bool, default False
        Accepted for scripts written for Keras, with a warning: threads are used in any case.
    max_queue_size : int, default 10
        The maximum number of batches that are made ahead; 0 lets the library choose.

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
        """Return a batch; `index` is its number, counted from 0."""
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(index), which returns a batch.")

    @property
    def num_batches(self) -> int | None:
        """The number of batches, ``len(self)``. A subclass may return ``None`` for an endless data set.

        Raises
        ------
        NotImplementedError
            If there is no ``__len__``.
        """
        if not hasattr(self, "__len__"):
            raise NotImplementedError(f"{type(self).__name__} must define __len__, the number of batches.")
        return len(self)

    def __iter__(self) -> Iterator[Any]:
        """Yield all batches in order; endlessly if their number is unknown."""
        try:
            number = self.num_batches
        except NotImplementedError:
            number = None
        return map(self.__getitem__, itertools.count() if number is None else range(number))

    def on_epoch_begin(self) -> None:
        """Called before an epoch's first batch is made."""

    def on_epoch_end(self) -> None:
        """Called after an epoch's last batch."""
