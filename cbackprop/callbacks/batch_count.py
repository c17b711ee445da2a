"""Doing something every so many batches."""

from __future__ import annotations

from typing import Any

from cbackprop.validation import check_integer

__all__ = ["BatchCount"]


class BatchCount:
    """Counts batches over epochs, for callbacks with a frequency.

    Parameters
    ----------
    frequency : "epoch" or int
        At the end of epochs, or every so many batches.
    name : str
        Of the argument, for messages.
    """

    def __init__(self, frequency: Any, name: str = "save_freq") -> None:
        if isinstance(frequency, str):
            if frequency != "epoch":
                raise ValueError(f"{name} must be 'epoch' or a number of batches, but got {frequency!r}.")
            self.every = None
        else:
            self.every = check_integer(name, frequency, 1)
        self.seen = 0
        self._last = -1  # batch of the present epoch

    def get_state(self) -> dict[str, Any] | None:
        """Batches since the last time; ``None`` where nothing is counted."""
        return None if self.every is None else {"seen": self.seen, "last": self._last}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on counting."""
        seen, last = check_integer("seen", state["seen"], 0), check_integer("last", state.get("last", -1), -1)
        self.seen, self._last = seen, last

    def add(self, batch: int) -> bool:
        """Batches of the epoch up to this one have been run; whether the frequency is reached."""
        if batch <= self._last:
            self._last = -1  # another epoch
        self.seen += batch - self._last
        self._last = batch
        if self.every is None or self.seen < self.every:
            return False
        self.seen = 0
        return True
