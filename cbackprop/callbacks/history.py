"""History: the logs of every epoch, which `fit` returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cbackprop.callbacks.callback import Callback, Logs
from cbackprop.callbacks.short_number import important_first, short_number

__all__ = ["History"]

# The number of epochs that a notebook shows.
LAST = 10


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

    def _add_epochs(self, epochs: Sequence[int], columns: dict[str, list[Any]]) -> None:
        """Append the logs of several epochs, by name: to all lists, even if Ctrl-C is pressed meanwhile."""
        lists: list[list[Any]] = [self.epoch, *(self.history.setdefault(name, []) for name in columns)]
        parts = list(zip(lists, map(len, lists), [epochs, *columns.values()], strict=True))
        try:
            _put(parts)
        except BaseException:
            _put(parts)
            raise

    def plot(self, metrics: str | Sequence[str] | None = None, ax: Any = None, yscale: str = "linear") -> Any:
        """Plot losses and metrics over the epochs. This needs ``pip install "cbackprop[plot]"``.

        For arguments, result and errors see `plotting.curves`.
        """
        from cbackprop.plotting import curves  # plotting is a higher floor, and matplotlib may be missing

        return curves(self, metrics, ax, yscale)

    def _repr_html_(self) -> str:
        """The last epochs as a table, for notebooks, with the best value of each loss."""
        from cbackprop.html_tables import html_table  # imports `html`, which takes time

        names = important_first(self.history)
        shown = min(LAST, len(self.epoch))
        rows = [
            (f"{self.epoch[place] + 1}", *(_shown(self.history[name], place) for name in names))
            for place in range(-shown, 0)
        ]
        best = [
            f"lowest {name}: {short_number(min(values))} in epoch {values.index(min(values)) + 1}"
            for name in ("loss", "val_loss")
            if (values := self.history.get(name))
        ]
        title = f"History of <b>{len(self.epoch):,}</b> epochs" + (
            f", the last {shown}" if shown < len(self.epoch) else ""
        )
        header = ["Epoch", *names]
        return html_table(title, header, rows, "<br>".join(best), numbers=header)

    def __repr__(self) -> str:
        return f"<History of {len(self.epoch)} epochs: {', '.join(self.history)}>"


def _put(parts: list[tuple[list[Any], int, Sequence[Any]]]) -> None:
    """Let each list go on from an index with further values."""
    for values, start, further in parts:
        values[start:] = further


def _shown(values: list[Any], place: int) -> str:
    """A logged value, counted from the last epoch; empty if there was none."""
    return short_number(values[place]) if -place <= len(values) else ""
