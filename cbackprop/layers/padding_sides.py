"""How much is added or cut off at both ends of each axis, as users write it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cbackprop.validation import ArgumentTypeError, check_integer

__all__ = ["Sides", "sides_of_axes", "sides_of_axis"]

# For each axis, the padding before its first element and after its last one.
Sides = tuple[tuple[int, int], ...]


def sides_of_axis(name: str, value: Any) -> tuple[int, int]:
    """A whole number for both ends of an axis, or one for each.

    Raises
    ------
    TypeError, ValueError
        If it is neither, or one is negative.
    """
    if is_sequence(value):
        if len(value) != 2:
            raise ValueError(f"{name} must be a whole number or two of them, but got {value!r}.")
        before, after = (check_integer(f"{name}[{end}]", size, 0) for end, size in enumerate(value))
        return before, after
    try:
        size = check_integer(name, value, 0)
    except TypeError:
        raise ArgumentTypeError(f"{name} must be a whole number or two of them, but got {value!r}.") from None
    return size, size


def sides_of_axes(name: str, value: Any, rank: int) -> Sides:
    """A whole number for all ends of all axes, or for each axis one, or two, one for each end.

    Raises
    ------
    TypeError, ValueError
        If it is none of these, or one is negative.
    """
    if is_sequence(value):
        if len(value) != rank:
            raise ValueError(f"{name} must be a whole number, or have {rank} entries, but got {value!r}.")
        return tuple(sides_of_axis(f"{name}[{axis}]", sides) for axis, sides in enumerate(value))
    try:
        return (sides_of_axis(name, value),) * rank
    except TypeError:
        raise ArgumentTypeError(f"{name} must be a whole number, or have {rank} entries, but got {value!r}.") from None


def is_sequence(value: Any) -> bool:
    """Whether it has entries of its own; strings are none."""
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))
