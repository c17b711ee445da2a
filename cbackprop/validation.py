"""Checks of arguments, each with a message that names the argument, what was expected and what came."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np

__all__ = ["check_boolean", "check_integer", "check_name", "check_number"]


def _bounds(minimum: float | None, maximum: float | None, open_minimum: bool, open_maximum: bool) -> str:
    words = []
    if minimum is not None:
        words.append(f"{'greater than' if open_minimum else 'at least'} {minimum}")
    if maximum is not None:
        words.append(f"{'below' if open_maximum else 'at most'} {maximum}")
    return " and ".join(words)


def _check_range(
    name: str, value: Any, minimum: float | None, maximum: float | None, open_minimum: bool, open_maximum: bool
) -> None:
    low = minimum is not None and (value <= minimum if open_minimum else value < minimum)
    high = maximum is not None and (value >= maximum if open_maximum else value > maximum)
    if low or high:
        raise ValueError(f"{name} must be {_bounds(minimum, maximum, open_minimum, open_maximum)}, but got {value!r}.")


def check_number(
    name: str,
    value: Any,
    minimum: float | None = None,
    maximum: float | None = None,
    *,
    open_minimum: bool = False,
    open_maximum: bool = False,
) -> float:
    """`value` as a finite float within the bounds.

    Raises
    ------
    TypeError
        If it is not a real number.
    ValueError
        If it is NaN, infinite or out of bounds.
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, but got {value!r} of type {type(value).__name__}.")
    try:
        finite = math.isfinite(value)
    except OverflowError:
        finite = False
    if not finite:
        raise ValueError(f"{name} must be finite, but got {value!r}.")
    _check_range(name, value, minimum, maximum, open_minimum, open_maximum)
    return float(value)


def check_integer(name: str, value: Any, minimum: int | None = None, maximum: int | None = None) -> int:
    """`value` as an int within the bounds (both included).

    Raises
    ------
    TypeError
        If it is not an integer; a bool or a float is not one.
    ValueError
        If it is out of bounds.
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer, but got {value!r} of type {type(value).__name__}.")
    _check_range(name, value, minimum, maximum, False, False)
    return int(value)


def check_boolean(name: str, value: Any) -> bool:
    """`value` as a bool.

    Raises
    ------
    TypeError
        If it is neither ``True`` nor ``False``.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, but got {value!r} of type {type(value).__name__}.")
    return bool(value)


def check_name(value: Any) -> str | None:
    """`value` as a name, or ``None``.

    Raises
    ------
    TypeError
        If it is neither a string nor ``None``.
    """
    if value is not None and not isinstance(value, str):
        raise TypeError(f"name must be a string, but got {value!r} of type {type(value).__name__}.")
    return value
