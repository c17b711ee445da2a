"""LearningRateScheduler: set the learning rate of each epoch."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from cbackprop.callbacks.callback import Callback, Logs
from cbackprop.callbacks.say import say
from cbackprop.validation import check_integer, check_number, check_verbose

__all__ = ["LearningRateScheduler"]


class LearningRateScheduler(Callback):
    """Set the learning rate before every epoch.

    Parameters
    ----------
    schedule : callable (epoch, learning_rate) -> float
        Called with the epoch, counted from 0, and the current learning rate. It may also take only the epoch.
    verbose : {0, 1}, default 0
        1 prints the learning rate of each epoch.

    Raises
    ------
    TypeError, ValueError
        If `schedule` cannot be called; in `fit`, if it does not return a valid learning rate.

    Notes
    -----
    The learning rate is added to the logs as ``learning_rate``.

    References
    ----------
    Arguments are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> model = cb.Sequential([cb.Input((1,)), cb.layers.Dense(1)])
    >>> model.compile(cb.optimizers.SGD(0.5), "mse")
    >>> halved = cb.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else rate)
    >>> model.fit([[0.0]], [[1.0]], epochs=3, callbacks=[halved], verbose=0).history["learning_rate"]
    [0.5, 0.25, 0.125]
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        if not callable(schedule):
            raise TypeError(f"schedule must be callable, but got {schedule!r}.")
        self.schedule = schedule
        self.verbose = check_verbose(verbose)
        self._takes_rate = _takes_two(schedule)
        self._epoch: int | None = None

    def get_state(self) -> dict[str, Any] | None:
        """The epoch whose learning rate has been set."""
        return {"epoch": self._epoch}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore the epoch. If training continues within it, its learning rate is not set again."""
        self._epoch = None if state["epoch"] is None else check_integer("epoch", state["epoch"], 0)

    def on_train_begin(self, logs: Logs = None) -> None:
        """Reset the state of an earlier run."""
        self._epoch = None

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Set the epoch's learning rate."""
        if epoch == self._epoch:
            return
        self._epoch = epoch
        optimizer = self.model.optimizer
        arguments = (epoch, optimizer.rate_for(self.model)) if self._takes_rate else (epoch,)
        rate = check_number("what schedule returns", self.schedule(*arguments), 0)
        optimizer.learning_rate = rate
        if self.verbose:
            say(f"\nEpoch {epoch + 1}: learning rate set to {rate}.")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Record the epoch's learning rate."""
        if logs is not None:
            logs["learning_rate"] = self.model.optimizer.rate_for(self.model)


def _takes_two(function: Callable[..., float]) -> bool:
    """Whether a function can be called with two arguments. Just calling it would hide its own errors."""
    try:
        inspect.signature(function).bind(0, 0.0)
    except TypeError:
        return False
    except ValueError:  # built-in functions may have no signature
        return True
    return True
