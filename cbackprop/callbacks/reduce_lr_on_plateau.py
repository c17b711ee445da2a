"""ReduceLROnPlateau: reduce the learning rate when a number no longer improves."""

from __future__ import annotations

from typing import Any

from cbackprop.callbacks.callback import Logs
from cbackprop.callbacks.monitor_callback import MonitorCallback
from cbackprop.callbacks.say import say
from cbackprop.validation import check_integer, check_number, check_verbose

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(MonitorCallback):
    """Multiply the learning rate by `factor` when the monitored number has not improved for `patience` epochs.

    Parameters
    ----------
    monitor : str, default "val_loss"
    factor : float, default 0.1
        Positive and below 1.
    patience : int, default 10
        Epochs without an improvement after which the learning rate is reduced.
    verbose : {0, 1}, default 0
        1 prints each change.
    mode : {"auto", "min", "max"}, default "auto"
    min_delta : float, default 1e-4
        A change by less than this does not count as an improvement.
    cooldown : int, default 0
        Epochs to wait after a change before epochs without an improvement are counted again.
    min_lr : float, default 0
        The learning rate is never reduced below this.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong; in `fit`, if the learning rate is a schedule.

    Notes
    -----
    The learning rate is added to the logs as ``learning_rate``.

    References
    ----------
    Arguments and decisions are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> model = cb.Sequential([cb.Input((1,)), cb.layers.Dense(1)])
    >>> model.compile(cb.optimizers.SGD(0.5), "mse")
    >>> slower = cb.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.5, patience=1, min_delta=1e9)
    >>> model.fit([[0.0]], [[1.0]], epochs=3, callbacks=[slower], verbose=0).history["learning_rate"]
    [0.5, 0.5, 0.25]
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        self.factor = check_number("factor", factor, 0, 1, open_minimum=True, open_maximum=True)
        self.patience = check_integer("patience", patience, 0)
        self.verbose = check_verbose(verbose)
        self.cooldown = check_integer("cooldown", cooldown, 0)
        self.min_lr = check_number("min_lr", min_lr, 0)
        self.wait = self.cooldown_counter = 0

    def get_state(self) -> dict[str, Any] | None:
        """The best value, the epochs since then, and the cooldown."""
        counts = {"wait": self.wait, "cooldown_counter": self.cooldown_counter}
        return (super().get_state() or {}) | counts

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore these."""
        wait, counter = (check_integer(name, state[name], 0) for name in ("wait", "cooldown_counter"))
        super().set_state(state)
        self.wait, self.cooldown_counter = wait, counter

    def on_train_begin(self, logs: Logs = None) -> None:
        """Reset the state of an earlier run."""
        self.find_direction()
        self.best = None
        self.wait = self.cooldown_counter = 0

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Compare the epoch's value with the best one."""
        logs = {} if logs is None else logs
        optimizer = self.model.optimizer
        logs["learning_rate"] = optimizer.rate_for(self.model)
        current = self.monitored(logs, "ReduceLROnPlateau")
        if current is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self.is_improvement(current, self.best):
            self.best = current
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience and self._reduce(optimizer, epoch):
                self.cooldown_counter = self.cooldown
                self.wait = 0

    def _reduce(self, optimizer: Any, epoch: int) -> bool:
        old = float(optimizer.learning_rate)
        if old <= self.min_lr:
            return False
        reduced = float(f"{old * self.factor:.15g}")  # removes rounding errors: a tenth of 0.1 is 0.01
        optimizer.learning_rate = max(reduced, self.min_lr)
        if self.verbose:
            say(f"\nEpoch {epoch + 1}: learning rate reduced to {optimizer.learning_rate}.")
        return True

    def in_cooldown(self) -> bool:
        """Whether the last change was less than `cooldown` epochs ago."""
        return self.cooldown_counter > 0
