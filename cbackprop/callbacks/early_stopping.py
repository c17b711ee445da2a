"""EarlyStopping: stop training when a number no longer improves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.callbacks.callback import Logs
from cbackprop.callbacks.monitor_callback import MonitorCallback
from cbackprop.callbacks.say import say
from cbackprop.validation import check_boolean, check_integer, check_number, check_verbose

__all__ = ["EarlyStopping"]

# The attributes that count epochs.
COUNTS = ("wait", "stopped_epoch", "best_epoch")


class EarlyStopping(MonitorCallback):
    """Stop training when the monitored number has not improved for `patience` epochs.

    Parameters
    ----------
    monitor : str, default "val_loss"
    min_delta : float, default 0
        A change by less than this does not count as an improvement.
    patience : int, default 0
        Epochs without an improvement after which training stops.
    verbose : {0, 1}, default 0
        1 prints when training stops.
    mode : {"auto", "min", "max"}, default "auto"
    baseline : float, optional
        The waiting time starts over only with improvements beyond this value.
    restore_best_weights : bool, default False
        Restore the weights of the best epoch at the end, however training ended.
    start_from_epoch : int, default 0
        Epochs before this one, counted from 0, are ignored.

    Attributes
    ----------
    best, best_epoch, wait, stopped_epoch
        The best value, its epoch, the epochs since then, and the epoch in which training stopped (0 if it did not).

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong.

    References
    ----------
    Arguments and decisions are those of Keras 3. Prechelt, "Early stopping - but when?", in Neural Networks: Tricks
    of the Trade, 1998.

    Examples
    --------
    >>> import cbackprop as cb
    >>> model = cb.Sequential([cb.Input((1,)), cb.layers.Dense(1)])
    >>> model.compile(cb.optimizers.SGD(0.0), "mse")
    >>> stop = cb.callbacks.EarlyStopping(monitor="loss", patience=3)
    >>> len(model.fit([[0.0]], [[1.0]], epochs=10, callbacks=[stop], verbose=0).epoch)
    4
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience = check_integer("patience", patience, 0)
        self.verbose = check_verbose(verbose)
        self.baseline = None if baseline is None else check_number("baseline", baseline)
        self.restore_best_weights = check_boolean("restore_best_weights", restore_best_weights)
        self.start_from_epoch = check_integer("start_from_epoch", start_from_epoch, 0)
        self._start()

    def _start(self) -> None:
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = None
        self.best_weights: list[NDArray[Any]] | None = None

    def get_state(self) -> dict[str, Any] | None:
        """The best value, its epoch and weights, and the epochs since then."""
        counts = {name: getattr(self, name) for name in COUNTS}
        return (super().get_state() or {}) | counts | {"best_weights": self.best_weights}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore these."""
        counts = {name: check_integer(name, state[name], 0) for name in COUNTS}
        weights = state["best_weights"]
        if weights is not None:
            shapes = [np.shape(weight) for weight in weights]
            if shapes != [weight.shape for weight in self.model.weights]:
                raise ValueError(f"the best weights have shapes {shapes}, which are not those of the model")
        super().set_state(state)
        vars(self).update(counts)
        if not self.model.stop_training:  # this run continues, even if the saved one had been stopped
            self.stopped_epoch = 0
        self.best_weights = weights if self.restore_best_weights else None

    def on_train_begin(self, logs: Logs = None) -> None:
        """Reset the state of an earlier run."""
        self.find_direction()
        self._start()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Compare the epoch's value with the best one."""
        current = self.monitored(logs, "EarlyStopping")
        if current is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self.is_improvement(current, self.best):
            self.best, self.best_epoch = current, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self.is_improvement(current, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs = None) -> None:
        """Restore the best weights if `restore_best_weights` is set."""
        if self.stopped_epoch and self.verbose:
            say(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.best_weights is not None:
            if self.verbose:
                say(f"Restoring the weights of epoch {self.best_epoch + 1}, the best one.")
            self.model.set_weights(self.best_weights)
