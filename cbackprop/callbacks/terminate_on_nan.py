"""TerminateOnNaN: stop training when the loss is NaN or infinite."""

from __future__ import annotations

import math

from cbackprop.callbacks.callback import Callback, Logs
from cbackprop.callbacks.say import say
from cbackprop.validation import check_boolean

__all__ = ["TerminateOnNaN"]


class TerminateOnNaN(Callback):
    """Stop training when the loss is NaN or infinite. It checks every batch, which slows training down.

    Parameters
    ----------
    raise_error : bool, default False
        Raise ``RuntimeError`` instead of just ending `fit`.

    Raises
    ------
    TypeError
        If `raise_error` is not a bool.

    References
    ----------
    Attributes and behavior are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> model = cb.Sequential([cb.Input((1,)), cb.layers.Dense(1)])
    >>> model.compile(cb.optimizers.SGD(1e30), "mse")
    >>> stop = cb.callbacks.TerminateOnNaN()
    >>> len(model.fit([[1e9]], [[1.0]], epochs=100, callbacks=[stop], verbose=0).epoch) < 100
    Batch 0: the loss is inf, training stops.
    True
    """

    def __init__(self, raise_error: bool = False) -> None:
        self.raise_error = check_boolean("raise_error", raise_error)

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Check the loss."""
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(f"The loss became {loss} in batch {batch}.")
        say(f"Batch {batch}: the loss is {loss}, training stops.")
        self.model.stop_training = True
