"""timeseries_dataset_from_array: windows of a time series as a data set."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop.foreign_arrays import from_foreign
from cbackprop.random import draw_seed
from cbackprop.row_batches import RowBatches
from cbackprop.validation import check_boolean, check_integer

__all__ = ["Windows", "timeseries_dataset_from_array"]


class Windows(RowBatches):
    """A data set of windows of a series and their targets, made by `timeseries_dataset_from_array`.

    Attributes
    ----------
    windows : ndarray
        All windows, (windows, sequence_length, ...), as a view of the series that takes no memory.
    targets : ndarray or None
        The targets of the windows.
    """

    def __init__(
        self,
        windows: NDArray[Any],
        targets: NDArray[Any] | None,
        batch_size: int | None,
        seed: int | None,
    ) -> None:
        super().__init__(len(windows), batch_size, seed)
        self.windows, self.targets = windows, targets

    def rows(self, rows: Any) -> Any:
        """The windows of a batch, and their targets if there are any."""
        inputs = self.windows[rows]
        inputs = inputs if self.batch_size is None else np.ascontiguousarray(inputs)
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
    """Make a data set of all windows of a series, for `fit`, `evaluate` and `predict`.

    Window i is ``data[begin : begin + sequence_length * sampling_rate : sampling_rate]`` with
    ``begin = start_index + i * sequence_stride``, and its target is ``targets[begin]``.

    Parameters
    ----------
    data : array_like (steps, ...)
        The series.
    targets : array_like (steps, ...), optional
        The target of the window that begins at each step; ``None`` for a data set without targets.
    sequence_length : int
        The number of steps in a window.
    sequence_stride : int, default 1
        The distance, in steps of `data`, between the beginnings of consecutive windows.
    sampling_rate : int, default 1
        The distance, in steps of `data`, between consecutive steps of a window.
    batch_size : int, optional
        The number of windows in a batch, 128 by default. With ``None`` the data set returns single windows.
    shuffle : bool, default False
        Whether windows are in random order.
    seed : int, optional
        Seed of the order; random by default.
    start_index, end_index : int, optional
        Use only the steps ``data[start_index:end_index]``.
    format : {"tf", "grain"}, default "tf"
        Accepted for scripts written for Keras; it has no effect.

    Returns
    -------
    Windows
        A `PyDataset`. Its ``windows`` are a view of `data`, so only one batch at a time takes memory.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range, or `data` is shorter than one window.

    References
    ----------
    Arguments, defaults and windows are those of Keras 3, which returns a data set of TensorFlow.

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
    drawn = None
    if check_boolean("shuffle", shuffle):
        drawn = draw_seed() if seed is None else check_integer("seed", seed, 0)
    return Windows(windows, None if goals is None else goals[begin : begin + count : stride], batch_size, drawn)


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
