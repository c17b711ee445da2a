"""ProgbarLogger: print the progress of training."""

from __future__ import annotations

from typing import Any

from cbackprop.callbacks.callback import Callback, Logs
from cbackprop.callbacks.progress import Display

__all__ = ["ProgbarLogger"]


class ProgbarLogger(Callback):
    """Print a line for each epoch.

    This is for your own training loops with a `CallbackList`. In `fit` it has no effect: `fit` shows its progress
    itself unless ``verbose=0``.

    References
    ----------
    Attributes and behavior are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> run = cb.callbacks.CallbackList(add_progbar=True, verbose=2, epochs=1, steps=1)
    >>> run.on_epoch_begin(0)
    >>> run.on_epoch_end(0, {"loss": 0.5})  # doctest: +ELLIPSIS
    Epoch 1/1 - ...s - loss: 0.5000
    """

    def __init__(self) -> None:
        self._display: Any = None

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Start the clock."""
        params = self.params or {}
        self._display = Display(params.get("verbose", 1) and 2, params.get("epochs", 1), params.get("steps") or 1)
        self._display.begin(epoch)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Print the epoch's line."""
        if self._display is not None:
            self._display.end(logs or {})
