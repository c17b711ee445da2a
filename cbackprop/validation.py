"""Checks of arguments, each with a message that names the argument, what was expected and what came."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = [
    "ArgumentTypeError",
    "check_boolean",
    "check_choice",
    "check_counts",
    "check_integer",
    "check_items",
    "check_memory",
    "check_name",
    "check_number",
    "check_path",
    "check_verbose",
    "contiguous",
    "named",
    "type_name",
]

Thing = TypeVar("Thing")


class ArgumentTypeError(TypeError, ValueError):
    """An argument is of the wrong type.

    Python's own functions raise ``TypeError`` then, Keras's raise ``ValueError``. Code that catches either one catches
    this.
    """


# Addresses have 48 bits on the processors of today. With so many numbers a sample, and a batch of them, no product
# of sizes leaves 64 bits before memory has run out.
MOST_NUMBERS = 2**48


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
    ArgumentTypeError
        If it is not a real number.
    ValueError
        If it is NaN, infinite or out of bounds.
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise ArgumentTypeError(f"{name} must be a number, but got {value!r} of type {type(value).__name__}.")
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
    ArgumentTypeError
        If it is not an integer; a bool or a float is not one.
    ValueError
        If it is out of bounds, or does not fit into 64 bits.
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise ArgumentTypeError(f"{name} must be an integer, but got {value!r} of type {type(value).__name__}.")
    _check_range(name, value, minimum, maximum, False, False)
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"{name} must fit into 64 bits, but got {value!r}.")
    return number


def check_counts(**counts: Any) -> None:
    """Refuse numbers of steps or samples, by name, that are neither ``None`` nor at least 1.

    Raises
    ------
    ArgumentTypeError, ValueError
        As `check_integer`.
    """
    for name, count in counts.items():
        if count is not None:
            check_integer(name, count, 1)


def check_boolean(name: str, value: Any) -> bool:
    """`value` as a bool.

    Raises
    ------
    ArgumentTypeError
        If it is neither ``True`` nor ``False``.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise ArgumentTypeError(f"{name} must be True or False, but got {value!r} of type {type(value).__name__}.")
    return bool(value)


def check_name(value: Any) -> str | None:
    """`value` as a name, or ``None``.

    Raises
    ------
    ArgumentTypeError
        If it is neither a string nor ``None``.
    ValueError
        If it cannot be written as UTF-8, as files of models need it.
    """
    if value is not None and not isinstance(value, str):
        raise ArgumentTypeError(f"name must be a string, but got {value!r} of type {type(value).__name__}.")
    if value is not None and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"name must be text that can be written as UTF-8, but got {value!r}.") from None
    return value


def check_choice(name: str, value: Any, choices: Collection[str | None]) -> Any:
    """`value`, which must be one of `choices`.

    Raises
    ------
    ArgumentTypeError
        If it is no string (nor ``None``, where that is one of them).
    ValueError
        If it is another one.
    """
    if not (isinstance(value, str) or (value is None and None in choices)):
        error: type[Exception] = ArgumentTypeError
    elif value not in choices:
        error = ValueError
    else:
        return value
    raise error(f"{name} must be one of {', '.join(map(repr, choices))}, but got {value!r}.")


def check_items(name: str, value: Any, what: str) -> list[Any]:
    """What a list, tuple, range or vector holds; whatever has no order, or is text, is none of them.

    Raises
    ------
    ArgumentTypeError
        If `value` is none of them.
    """
    if not (isinstance(value, (list, tuple, range)) or (isinstance(value, np.ndarray) and value.ndim == 1)):
        raise ArgumentTypeError(f"{name} must be {what}, but got {value!r} of type {type(value).__name__}.")
    return list(value)


def check_path(name: str, value: Any) -> str:
    """`value` as the name of a file or folder.

    Raises
    ------
    ArgumentTypeError
        If it is neither a string nor a path.
    """
    path = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(path, str):
        raise ArgumentTypeError(f"{name} must be a string or a path, but got {value!r} of type {type(value).__name__}.")
    return path


def contiguous(array: Any, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """The array, or a copy, as C reads one: of this type, its numbers one after the other, each at its boundary.

    `numpy.ascontiguousarray` returns an array whose numbers begin anywhere as it is.
    """
    as_it_is = type(array) is np.ndarray and (dtype is None or array.dtype == dtype)
    if as_it_is and array.flags.c_contiguous and array.flags.aligned:
        return array
    return np.require(array, dtype, ["C_CONTIGUOUS", "ALIGNED", "ENSUREARRAY"])


def check_memory(name: str, shape: Sequence[int | None]) -> None:
    """Refuse a shape of more numbers than any memory holds: their count must fit into the integers of C.

    Raises
    ------
    ValueError
        If it is such a shape.
    """
    if math.prod(int(size or 1) for size in shape) > MOST_NUMBERS:
        raise ValueError(f"{name} must stand for 2**48 numbers at most, but got {tuple(shape)}.")


def check_verbose(value: Any) -> int:
    """How much a callback says: 0 is nothing.

    Raises
    ------
    ArgumentTypeError, ValueError
        If `value` is none of 0, 1 and 2.
    """
    return check_integer("verbose", int(value) if isinstance(value, (bool, np.bool_)) else value, 0, 2)


def type_name(value: Any) -> str:
    """What a message calls the type of `value`, or a class: with its module where the name alone could mislead."""
    cls = value if isinstance(value, type) else type(value)
    known = cls.__module__.partition(".")[0] in ("__main__", "builtins", "cbackprop", "numpy")
    return cls.__name__ if known else f"{cls.__module__}.{cls.__qualname__}"


def named(name: str, get: Callable[[Any], Thing], value: Any) -> Thing:
    """What `get` makes of an argument; what it raises begins with the argument's name."""
    try:
        return get(value)
    except (TypeError, ValueError) as error:
        kinds = (ArgumentTypeError, TypeError, ValueError)
        kind = next(kind for kind in kinds if isinstance(error, kind))
        raise kind(f"{name}: {error}") from error
