"""History: the logs of every epoch, which `fit` returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cbackprop.callbacks.callback import Callback, Logs

__all__ = ["History"]


class History(Callback):
    """Record the logs of every epoch. `fit` returns a History.

    Attributes
    ----------
    history : dict of str to list of float
        For each name in the logs, a list with one value for each epoch.
    epoch : list of int
        The epochs, counted from 0.

    References
    ----------
    Attributes and behavior are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> model = cb.Sequential([cb.Input((1,)), cb.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> sorted(model.fit([[0.0], [1.0]], [[1.0], [3.0]], epochs=3, verbose=0).history)
    ['loss']
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Logs = None) -> None:
        """Start with no epochs."""
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Append the epoch's logs."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def plot(self, metrics: str | Sequence[str] | None = None, ax: Any = None, yscale: str = "linear") -> Any:
        """Plot losses and metrics over the epochs. This needs ``pip install "cbackprop[plot]"``.

        For arguments, result and errors see `plotting.curves`.
        """
        from cbackprop.plotting import curves  # plotting is a higher floor, and matplotlib may be missing

        return curves(self, metrics, ax, yscale)

    def __repr__(self) -> str:
        return f"<History of {len(self.epoch)} epochs: {', '.join(self.history)}>"
