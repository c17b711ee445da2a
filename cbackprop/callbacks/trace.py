"""Trace: record how training steps change during training."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from cbackprop.callbacks.batch_count import BatchCount
from cbackprop.callbacks.callback import Callback, Logs
from cbackprop.distribution.setting import writes_files
from cbackprop.trace.page import check_page_path, write_page
from cbackprop.validation import check_integer

if TYPE_CHECKING:
    from cbackprop.trace import Trace as StepTrace

__all__ = ["Trace"]


class Trace(Callback):
    """Record traces of the same samples while a model learns, and write them to one page with a slider.

    Parameters
    ----------
    x, y, sample_weight : array_like
        The samples to look at, as in `Model.trace`. A few are enough.
    every : "epoch" or int, default "epoch"
        When to make a trace: at the end of each epoch, or after this many batches.
    keep : int, default 100
        The maximum number of traces, at least 2. If there are more, every second one is dropped, and from then on only
        every second one is made. So the traces always cover the whole training, in bounded memory.
    path : str or path, optional
        The page to write at the end of training. Its name must end in ``.html``.

    Attributes
    ----------
    traces : list of cbackprop.trace.Trace
        From the beginning of training on.
    batches : list of int
        The number of batches before each trace.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong; in `fit`, if the samples do not fit the model.
    FileNotFoundError
        If the folder of `path` does not exist.
    OSError
        In `fit`, if the page cannot be written.

    Notes
    -----
    Each trace is the step that a batch of these samples would make with the current weights. Training is not affected.
    (The batches of `fit` would be different samples each time, and callbacks do not see them.)

    See Also
    --------
    Model.trace : The trace of one step.

    References
    ----------
    Keras has no such callback.

    Examples
    --------
    >>> import cbackprop as cb
    >>> x, y = cb.datasets.xor.load_data()
    >>> model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(3, "tanh"), cb.layers.Dense(1, "sigmoid")])
    >>> model.compile(cb.optimizers.SGD(0.5), "binary_crossentropy")
    >>> film = cb.callbacks.Trace(x, y, keep=8)
    >>> _ = model.fit(x, y, epochs=20, callbacks=[film], verbose=0)
    >>> film.batches
    [0, 4, 8, 12, 16, 20]
    >>> film.traces[0].loss > film.traces[-1].loss
    True
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        every: str | int = "epoch",
        keep: int = 100,
        path: str | os.PathLike[str] | None = None,
    ) -> None:
        self.x, self.y, self.sample_weight = x, y, sample_weight
        self.count = BatchCount(every, "every")
        self.keep = check_integer("keep", keep, 2)
        self.path = None if path is None else check_page_path(path)
        self.traces: list[StepTrace] = []
        self.batches: list[int] = []
        self._moments, self._stride = 0, 1
        self._begun = self._batches = self._batches_before = 0

    def watches_batches(self, run: str) -> bool:
        """True if traces are made within epochs."""
        own = type(self).on_train_batch_end is Trace.on_train_batch_end and run == "train"
        return self.count.every is not None if own else super().watches_batches(run)

    def on_train_begin(self, logs: Logs = None) -> None:
        """Start recording, with a trace of the initial weights."""
        self.traces, self.batches = [], []
        self._moments, self._stride, self._batches = 0, 1, 0
        self._look()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Note how many batches there were before this epoch."""
        self._batches_before = self._batches

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Make a trace if it is due."""
        self._batches = self._batches_before + batch + 1
        if self.count.every is not None and self._batches // self.count.every > self._moments:
            self._look(self._batches // self.count.every)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Make a trace if `every` is "epoch"."""
        if self.count.every is None:
            self._batches = int(self.model.optimizer.iterations) - self._begun
            self._look(self._moments + 1)

    def on_train_end(self, logs: Logs = None) -> None:
        """Write the page."""
        if self.path is not None and writes_files():
            self.to_html(self.path)

    def _look(self, moment: int = 0) -> None:
        """Make a trace at a moment, counted from 0, unless this one is to be skipped."""
        if moment == 0:
            self._begun = int(self.model.optimizer.iterations)
        self._moments = moment
        if moment % self._stride:
            return
        self.traces.append(self.model.trace(self.x, self.y, self.sample_weight))
        self.batches.append(self._batches)
        if len(self.traces) > self.keep:
            self._stride *= 2
            del self.traces[1::2], self.batches[1::2]

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the page. It is that of `cbackprop.trace.Trace.to_html`, with a slider for the steps.

        Raises
        ------
        RuntimeError
            Before `fit`.
        TypeError, ValueError, OSError
            As `cbackprop.trace.Trace.to_html`.
        """
        if not self.traces:
            raise RuntimeError("There is no trace yet: pass the callback to fit first.")
        write_page(path, self.traces)
