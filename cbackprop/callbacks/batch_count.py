"""BatchCount: when a callback with a frequency in batches is due."""

from __future__ import annotations

from typing import Any

from cbackprop.validation import check_integer

__all__ = ["BatchCount"]


class BatchCount:
    """Count batches across epochs, for callbacks with a frequency.

    Parameters
    ----------
    frequency : "epoch" or int
        "epoch" for the end of each epoch, or a number of batches.
    name : str
        The name of the argument, for messages.
    """

    def __init__(self, frequency: Any, name: str = "save_freq") -> None:
        if isinstance(frequency, str):
            if frequency != "epoch":
                raise ValueError(f"{name} must be 'epoch' or a number of batches, but got {frequency!r}.")
            self.every = None
        else:
            self.every = check_integer(name, frequency, 1)
        self.seen = 0
        self._last = -1  # the last batch of the current epoch

    def get_state(self) -> dict[str, Any] | None:
        """The number of batches since the callback was last due; ``None`` if batches are not counted."""
        return None if self.every is None else {"seen": self.seen, "last": self._last}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore the count."""
        seen, last = check_integer("seen", state["seen"], 0), check_integer("last", state.get("last", -1), -1)
        self.seen, self._last = seen, last

    def add(self, batch: int) -> bool:
        """Count the batches of the epoch up to this one, and return whether the callback is due."""
        if batch <= self._last:
            self._last = -1  # a new epoch has begun
        self.seen += batch - self._last
        self._last = batch
        if self.every is None or self.seen < self.every:
            return False
        self.seen = 0
        return True
