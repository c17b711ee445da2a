"""Windows of a series as a data set."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop.foreign import from_foreign
from cbackprop.py_dataset import PyDataset
from cbackprop.random import draw_seed
from cbackprop.validation import check_boolean, check_integer

__all__ = ["Windows", "timeseries_dataset_from_array"]


class Windows(PyDataset):
    """Windows of a series, a batch at a time, and their targets: what `timeseries_dataset_from_array` makes.

    Attributes
    ----------
    windows : ndarray
        All of them, as a view of the series that takes no memory: (windows, sequence_length, ...).
    targets : ndarray or None
        Of the windows.
    """

    def __init__(
        self,
        windows: NDArray[Any],
        targets: NDArray[Any] | None,
        batch_size: int | None,
        random: np.random.Generator | None,
    ) -> None:
        super().__init__()
        self.windows, self.targets, self.batch_size = windows, targets, batch_size
        self._random = random
        self._order = None if random is None else random.permutation(len(windows))
        self._is_new = True

    def __len__(self) -> int:
        """Number of batches; of windows, without a batch size."""
        return -(-len(self.windows) // (self.batch_size or 1))

    def __getitem__(self, index: int) -> Any:
        """The windows of a batch, and their targets if there are some."""
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"there are {count} batches, but got the number {index}.")
        index %= count
        if self.batch_size is None:
            place = index if self._order is None else self._order[index]
            return self._with_targets(self.windows[place], place)
        rows: Any = slice(index * self.batch_size, min((index + 1) * self.batch_size, len(self.windows)))
        if self._order is not None:
            rows = self._order[rows]
        return self._with_targets(np.ascontiguousarray(self.windows[rows]), rows)

    def __iter__(self) -> Iterator[Any]:
        """All batches; each time in another order, if windows are shuffled."""
        if not self._is_new:
            self.on_epoch_end()
        self._is_new = False
        return super().__iter__()

    def take(self, count: int) -> Iterator[Any]:
        """The first `count` batches."""
        return itertools.islice(self, check_integer("count", count, 0))

    def on_epoch_end(self) -> None:
        """Draw another order, if windows are shuffled."""
        if self._random is not None:
            self._order = self._random.permutation(len(self.windows))

    def _with_targets(self, inputs: NDArray[Any], rows: Any) -> Any:
        return inputs if self.targets is None else (inputs, self.targets[rows])


def timeseries_dataset_from_array(
    data: ArrayLike,
    targets: ArrayLike | None,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
    format: str = "tf",
) -> Windows:
    """All windows of a series, as a data set for `fit`, `evaluate` and `predict`.

    Window i is ``data[begin : begin + sequence_length * sampling_rate : sampling_rate]`` with
    ``begin = start_index + i * sequence_stride``, and its target is ``targets[begin]``.

    Parameters
    ----------
    data : array_like (steps, ...)
        The series.
    targets : array_like (steps, ...), optional
        The target of the window that begins at each step; ``None`` for a data set without targets.
    sequence_length : int
        Steps of a window.
    sequence_stride : int, default 1
        Steps from the beginning of a window to that of the next one.
    sampling_rate : int, default 1
        Steps from one step of a window to the next one.
    batch_size : int, optional
        Windows of a batch, 128 by default; with ``None`` the data set gives single windows.
    shuffle : bool, default False
        Whether the windows are in a random order.
    seed : int, optional
        Of that order; drawn by default.
    start_index, end_index : int, optional
        Only steps of `data` from the first to in front of the second are used.
    format : {"tf", "grain"}, default "tf"
        Taken for the sake of scripts written for Keras: the data set is the same for both.

    Returns
    -------
    Windows
        A `PyDataset`; its ``windows`` are a view of `data`, and memory is only taken for one batch.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range, or there is no window.

    References
    ----------
    Arguments, defaults and windows are those of Keras 3, which makes a data set of TensorFlow's.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> series = np.arange(10)
    >>> windows = cb.utils.timeseries_dataset_from_array(series[:-3], series[3:], sequence_length=3, batch_size=2)
    >>> x, y = windows[0]
    >>> x, y
    (array([[0, 1, 2],
           [1, 2, 3]]), array([3, 4]))
    """
    if format not in ("tf", "grain"):
        raise ValueError(f"format should be 'tf' or 'grain', but got {format!r}.")
    series = np.asarray(from_foreign("data", data))
    if series.ndim == 0:
        raise ValueError("data must have an axis of steps, but got a single number.")
    steps = len(series)
    length = check_integer("sequence_length", sequence_length, 1)
    stride = _below(steps, "sequence_stride", sequence_stride)
    rate = _below(steps, "sampling_rate", sampling_rate)
    if batch_size is not None:
        check_integer("batch_size", batch_size, 1)
    begin, end = _limits(start_index, end_index, steps)
    goals = None if targets is None else np.asarray(from_foreign("targets", targets))
    count = end - begin - (length - 1) * rate
    if goals is not None:
        count = min(count, len(goals) - begin)
    if count < 1:
        raise ValueError(
            f"data must hold a window of {length} steps at a distance of {rate}, but {end - begin} steps are there"
            + ("." if goals is None else f" and {len(goals)} targets.")
        )
    span = (length - 1) * rate + 1
    views = np.lib.stride_tricks.sliding_window_view(series[begin:end], span, axis=0)
    windows = np.moveaxis(views, -1, 1)[:count:stride, ::rate]
    random = None
    if check_boolean("shuffle", shuffle):
        random = np.random.default_rng(draw_seed() if seed is None else check_integer("seed", seed, 0))
    return Windows(windows, None if goals is None else goals[begin : begin + count : stride], batch_size, random)


def _below(steps: int, name: str, value: Any) -> int:
    number = check_integer(name, value, 1)
    if number >= steps:
        raise ValueError(f"{name} must be below the number of steps of data, {steps}, but got {number}.")
    return number


def _limits(start_index: Any, end_index: Any, steps: int) -> tuple[int, int]:
    begin = 0 if start_index is None else check_integer("start_index", start_index, 0)
    if begin and begin >= steps:
        raise ValueError(f"start_index must be below the number of steps of data, {steps}, but got {begin}.")
    if not end_index:
        return begin, steps
    end = check_integer("end_index", end_index, 1)
    if end >= steps:
        raise ValueError(f"end_index must be below the number of steps of data, {steps}, but got {end}.")
    if end <= begin:
        raise ValueError(f"end_index must be above start_index, {begin}, but got {end}.")
    return begin, end
