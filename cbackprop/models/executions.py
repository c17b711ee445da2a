"""Executions: the batches between two calls of callbacks, `steps_per_execution` of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from cbackprop.callbacks import CallbackList, ProgbarLogger
from cbackprop.models.sources import Piece

__all__ = ["Executions", "callbacks_for"]


class Executions:
    """Cuts pieces at the ends of executions, and calls callbacks before and after each execution.

    An execution may consist of several pieces, such as the batches of a generator. The last execution may have fewer
    batches, but is reported with the batch number that a full one would end with, as in Keras.

    Parameters
    ----------
    size : int or None
        Batches in an execution. With ``None``, no callback watches batches, and pieces are not cut.
    begin, end : callable, optional
        Called with the number of the first and the last batch of each execution.
    step : int, default 0
        The number of the first batch.
    """

    def __init__(
        self,
        size: int | None,
        begin: Callable[[int], None] | None = None,
        end: Callable[[int], None] | None = None,
        step: int = 0,
    ) -> None:
        self._size, self._begin, self._end, self.step = size, begin, end, step
        self._first, self._room = step, 0

    def parts(self, piece: Piece) -> Iterator[Piece]:
        """A piece, cut at the ends of executions. Each part is one call of the engine."""
        if self._size is None:
            if piece.size:
                yield piece
            return
        while piece.size:
            self._open()
            part = piece._replace(end=min(piece.begin + self._room * piece.batch_size, piece.end))
            yield part
            piece = piece._replace(begin=part.end)

    def _open(self) -> None:
        if self._room or self._size is None:
            return
        self._first, self._room = self.step, self._size
        if self._begin is not None:
            self._begin(self._first)

    def done(self, part: Piece) -> bool:
        """Count the batches of a part. Returns whether an execution ends here, so that the run may stop."""
        self.step += part.steps
        if self._size is None:
            return True
        self._room -= part.steps
        if self._room == 0:
            self._close()
        return self._room == 0

    def finish(self) -> None:
        """End the current execution, if there is one, because there are no more samples."""
        if self._room:
            self._close()

    def _close(self) -> None:
        self._room = 0
        if self._end is not None and self._size is not None:
            self._end(self._first + self._size - 1)


def callbacks_for(model: Any, callbacks: Any, **params: Any) -> CallbackList:
    """The callbacks of a run, without `ProgbarLogger`, because `fit` itself shows progress."""
    run = CallbackList(callbacks, model=model, **params)
    run.callbacks = [callback for callback in run.callbacks if not isinstance(callback, ProgbarLogger)]
    return run
