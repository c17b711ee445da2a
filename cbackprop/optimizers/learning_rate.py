"""The argument `learning_rate` of optimizers, and the rate of each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cbackprop.compiled.optimizers.schedules import PythonSchedule
from cbackprop.optimizers import schedules
from cbackprop.optimizers.schedules import LearningRateSchedule
from cbackprop.validation import PLAIN_NUMBERS, check_number

__all__ = ["LearningRate", "bad_rate", "checked_rate", "compiled_schedule", "rate_at"]

# A number, a schedule, or a function without arguments.
LearningRate = float | LearningRateSchedule | Callable[[], float]


def checked_rate(value: Any, old: Any) -> Any:
    """A new learning rate, checked.

    Raises
    ------
    TypeError, ValueError
        If it is not a learning rate, or it is a number and the `old` one is a schedule.
    """
    if type(value) not in PLAIN_NUMBERS:
        schedules.registry.refuse_foreign(value)
    if isinstance(value, LearningRateSchedule) or (callable(value) and not isinstance(value, type)):
        return value
    if isinstance(old, LearningRateSchedule):
        raise TypeError(
            f"learning_rate cannot be set: it is a schedule, {old!r}. Make the optimizer with a number, or set another "
            "schedule."
        )
    return check_number("learning_rate", value, 0)


def rate_at(rate: Any, step: int) -> float:
    """The learning rate of the batch that follows `step` others.

    Raises
    ------
    TypeError, ValueError
        If a schedule does not return a finite number of at least 0.
    """
    if isinstance(rate, float):
        return rate
    try:
        value = rate(step) if isinstance(rate, LearningRateSchedule) else rate()
    except Exception as error:
        error.add_note(f"This came from the learning rate {rate!r} at step {step}.")
        raise
    return check_number(f"The learning rate of {rate!r} at step {step}", value, 0)


def bad_rate(rate: Any, step: int, value: float) -> ValueError:
    """The error for a bad rate that a schedule gave to compiled code."""
    return ValueError(f"The learning rate of {rate!r} at step {step} must be finite and at least 0, but got {value}.")


def compiled_schedule(rate: Any, rate_at_step: Callable[[int], float]) -> Any:
    """The object from which compiled code gets the rate of each step; ``None`` if it is constant."""
    if isinstance(rate, LearningRateSchedule):
        return rate.compiled(rate_at_step)
    return None if isinstance(rate, float) else PythonSchedule(rate_at_step)
