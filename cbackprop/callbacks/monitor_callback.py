"""MonitorCallback: base of callbacks that monitor one number in the logs."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from cbackprop.callbacks.callback import Callback
from cbackprop.callbacks.short_number import short_number
from cbackprop.suggestions import nearest
from cbackprop.validation import check_number

__all__ = ["MonitorCallback"]

MODES = ("auto", "min", "max")


class MonitorCallback(Callback):
    """Base of callbacks that monitor one number in the logs and decide whether it has improved.

    Parameters
    ----------
    monitor : str, default "val_loss"
        The name of the number in the logs.
    mode : {"auto", "min", "max"}, default "auto"
        Whether smaller ("min") or larger ("max") is better. "auto" decides it for losses and for the metrics of
        `compile`. Any other value causes a warning and counts as "auto".
    baseline : float, optional
        The value that the first one is compared with.
    min_delta : float, default 0
        A change by less than this does not count as an improvement.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong.

    References
    ----------
    Arguments are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.callbacks.EarlyStopping("loss", mode="min").is_improvement(0.5, 0.6)
    True
    """

    def __init__(
        self, monitor: str = "val_loss", mode: str = "auto", baseline: float | None = None, min_delta: float = 0
    ) -> None:
        if not isinstance(monitor, str):
            raise TypeError(f"monitor must be a name in the logs, but got {monitor!r}.")
        self.monitor = monitor
        self.mode = mode = self._known_mode(mode)
        self.best: float | None = None if baseline is None else check_number("baseline", baseline)
        self.min_delta = abs(check_number("min_delta", min_delta))
        self.wants_more = {"min": False, "max": True}.get(mode)

    def _known_mode(self, mode: Any) -> str:
        """Return one of the three modes. As in Keras, any other causes a warning and becomes "auto"."""
        if isinstance(mode, str) and mode in MODES:
            return mode
        warnings.warn(
            f"{type(self).__name__} mode {mode!r} is unknown, and 'auto' is used instead. "
            f"{nearest(str(mode), list(MODES))}",
            stacklevel=4,
        )
        return "auto"

    def get_state(self) -> dict[str, Any] | None:
        """The best value so far."""
        return {"best": self.best}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore the best value so far."""
        best = state["best"]
        self.best = None if best is None else float(best)

    def find_direction(self) -> None:
        """Decide whether smaller or larger is better, once the model's metrics are known.

        Raises
        ------
        ValueError
            If the name does not show it.
        """
        name = self.monitor.removeprefix("val_")
        if self.wants_more is None and (name == "loss" or name.endswith("_loss")):
            self.wants_more = False
        if self.wants_more is None:
            self.wants_more = self.model.metric_directions().get(name)
        if self.wants_more is None:
            prefix = self.monitor.removesuffix(name)
            known = [f"{prefix}{metric}" for metric in ("loss", *self.model.metric_directions())]
            raise ValueError(
                f"{type(self).__name__} cannot tell whether larger or smaller values of {self.monitor!r} are better. "
                f"Give it mode='max' or mode='min'. {nearest(self.monitor, known)}"
            )

    def is_improvement(self, value: float, reference: float | None) -> bool:
        """Whether `value` is better than `reference` by more than `min_delta`. Any number is better than NaN."""
        if math.isnan(value):
            return False
        if reference is None or math.isnan(reference):
            return True
        if self.wants_more:
            return value - self.min_delta > reference
        return value + self.min_delta < reference

    def monitored(self, logs: dict[str, Any] | None, purpose: str) -> float | None:
        """The monitored number; ``None``, with a warning, if it is not in the logs.

        Raises
        ------
        ValueError
            If the logs have an array under that name.
        """
        value = (logs or {}).get(self.monitor)
        if value is None:
            validated = any(name.startswith("val_") for name in logs or {})
            advice = " Give fit validation_data or validation_split."
            warnings.warn(
                f"{purpose} monitors {self.monitor!r}, which is not in the logs: {', '.join(logs or {}) or 'none'}."
                f"{advice if self.monitor.startswith('val_') and not validated else ''}",
                stacklevel=2,
            )
            return None
        if np.size(value) != 1:
            raise ValueError(
                f"{purpose} monitors {self.monitor!r}, which must be one number, but has shape {np.shape(value)}. "
                "Monitor another one, or a metric that is averaged over classes."
            )
        return float(np.asarray(value).item())


def describe(value: float | None) -> str:
    """Format a monitored number for a message."""
    return "None" if value is None else short_number(value, 5)
