"""File names with placeholders for the epoch and for numbers in the logs."""

from __future__ import annotations

import string
from typing import Any

from cbackprop.callbacks.callback import Callback

__all__ = ["check_pattern", "names_in", "names_of_logs"]


class _Numbers(dict[str, Any]):
    """The same number for every placeholder; an integer for epochs and batches."""

    def __init__(self, number: float) -> None:
        super().__init__(epoch=1, batch=1)
        self.number = number

    def __missing__(self, name: str) -> float:
        return self.number


def check_pattern(filepath: str) -> None:
    """Refuse a pattern that cannot be filled with numbers.

    Raises
    ------
    ValueError
        If a brace is missing, a placeholder has no name, or its format is not for numbers.
    """
    problem: Exception | None = None
    for number in (1.0, 1):
        try:
            filepath.format_map(_Numbers(number))
        except (ValueError, IndexError) as error:
            problem = error
        except (TypeError, AttributeError):  # an index or attribute, which the actual values may have
            return
        else:
            return
    raise ValueError(
        f"filepath {filepath!r} must be a name with placeholders such as {{epoch:02d}} or {{val_loss:.2f}} "
        f"(write a brace itself twice), but: {problem}."
    ) from None


def names_in(filepath: str) -> list[str]:
    """The names of all placeholders, without their indexes and attributes."""
    fields = (field for _, field, _, _ in string.Formatter().parse(filepath) if field is not None)
    return [field.partition(".")[0].partition("[")[0] for field in fields]


def names_of_logs(callback: Callback, of_batches: bool) -> list[str] | None:
    """The names in the logs that `fit` passes to `callback`; ``None`` if the user's code may add others.

    Parameters
    ----------
    callback : Callback
    of_batches : bool
        Whether the callback reads the logs of batches rather than epochs.
    """
    run = next((run for run in callback.model._runs if callback in run.callbacks.callbacks), None)
    if run is None or not all(map(_keeps_logs, run.callbacks.callbacks)):
        return None
    model = callback.model
    metrics = [metric for objective in model._objectives for metric, _ in objective.metrics]
    if not all(map(_is_ours, [*metrics, *model.metrics_of_layers()])):  # may return a dict with any names
        return None
    names = list(model.metrics_names)
    if of_batches:
        return ["epoch", "batch", *names]
    tested = [f"val_{name}" for name in names] if run.validation is not None else []
    rates = ["learning_rate"] if len(run.callbacks.callbacks) > 2 else []  # another callback may add it
    return ["epoch", *names, *tested, *rates]


def _is_ours(thing: object) -> bool:
    return type(thing).__module__.partition(".")[0] == "cbackprop"


def _keeps_logs(callback: Callback) -> bool:
    """Whether a callback cannot add names of its own to the logs."""
    return _is_ours(callback) and type(callback).__name__ != "LambdaCallback"
