"""Checks of arguments. Each message names the argument, what was expected and what was given."""

from __future__ import annotations

import math
import numbers
import os
import stat
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = [
    "ArgumentTypeError",
    "a_type",
    "check_boolean",
    "check_choice",
    "check_counts",
    "check_integer",
    "check_items",
    "check_memory",
    "check_name",
    "check_number",
    "check_path",
    "check_regular",
    "check_verbose",
    "contiguous",
    "in_place_of_several",
    "named",
    "type_name",
    "with_article",
]

Thing = TypeVar("Thing")


class ArgumentTypeError(TypeError, ValueError):
    """An argument is of the wrong type.

    Python raises ``TypeError`` in this case and Keras ``ValueError``. Code that catches either of them catches this.
    """


# Recognised first: to ask `numbers.Real` or `numbers.Integral` takes as long as a whole check otherwise.
PLAIN_NUMBERS = (int, float)

# Processors have addresses of 48 bits. With this limit, memory runs out before any product of sizes overflows 64 bits.
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


def _is_a(kind: type, value: Any) -> bool:
    """Whether a value is a number of this kind, and no bool."""
    return isinstance(value, kind) and not isinstance(value, (bool, np.bool_))


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
    if type(value) not in PLAIN_NUMBERS and not _is_a(numbers.Real, value):
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
    if type(value) is not int and not _is_a(numbers.Integral, value):
        raise ArgumentTypeError(f"{name} must be an integer, but got {value!r} of type {type(value).__name__}.")
    _check_range(name, value, minimum, maximum, False, False)
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"{name} must fit into 64 bits, but got {value!r}.")
    return number


def check_counts(**counts: Any) -> None:
    """Check that counts, given by name, are ``None`` or integers of at least 1.

    Raises
    ------
    ArgumentTypeError, ValueError
        See `check_integer`.
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
        If it cannot be encoded as UTF-8, which is needed to save models.
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
    """Return `value` if it is one of `choices`.

    Raises
    ------
    ArgumentTypeError
        If it is not a string (or ``None``, if that is one of the choices).
    ValueError
        If it is another string.
    """
    if not (isinstance(value, str) or (value is None and None in choices)):
        error: type[Exception] = ArgumentTypeError
    elif value not in choices:
        error = ValueError
    else:
        return value
    raise error(f"{name} must be one of {', '.join(map(repr, choices))}, but got {value!r}.")


def check_items(name: str, value: Any, what: str) -> list[Any]:
    """The items of a list, tuple, range or vector. Strings and unordered collections are refused.

    Raises
    ------
    ArgumentTypeError
        If `value` is anything else.
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


def check_regular(path: str | bytes | os.PathLike[Any]) -> None:
    """Refuse what is neither a file nor a folder: reading a pipe may wait forever, and a device may never end.

    Raises
    ------
    OSError
        If it is a pipe, a device or a socket, or if there is nothing of this name.
    """
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # opening a folder raises the right error
        kinds = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
        found = kinds.get(stat.S_IFMT(mode), "a device")
        raise OSError(f"{os.fsdecode(path)!r} is {found}, but a file is needed.")


def contiguous(array: Any, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """The array, or a copy, in the form that C code reads: of this type, contiguous and aligned.

    `numpy.ascontiguousarray` does not copy unaligned arrays.
    """
    as_it_is = type(array) is np.ndarray and (dtype is None or array.dtype == dtype)
    if as_it_is and array.flags.c_contiguous and array.flags.aligned:
        return array
    return np.require(array, dtype, ["C_CONTIGUOUS", "ALIGNED", "ENSUREARRAY"])


def check_memory(name: str, shape: Sequence[int | None]) -> None:
    """Refuse a shape with more numbers than any memory holds, so that sizes fit into the integers of C.

    Raises
    ------
    ValueError
        If it has more than 2**48 numbers.
    """
    if math.prod([int(size or 1) for size in shape]) > MOST_NUMBERS:
        raise ValueError(f"{name} must stand for 2**48 numbers at most, but got {tuple(shape)}.")


def check_verbose(value: Any) -> int:
    """Check `verbose` of a callback: how much it prints, 0 for nothing.

    Raises
    ------
    ArgumentTypeError, ValueError
        If `value` is not 0, 1 or 2.
    """
    return check_integer("verbose", int(value) if isinstance(value, (bool, np.bool_)) else value, 0, 2)


def type_name(value: Any) -> str:
    """The name of a class, or of the class of `value`, for messages; with its module if the name could mislead."""
    cls = value if isinstance(value, type) else type(value)
    known = cls.__module__.partition(".")[0] in ("__main__", "builtins", "cbackprop", "numpy")
    return cls.__name__ if known else f"{cls.__module__}.{cls.__qualname__}"


def a_type(value: Any) -> str:
    """The name of a class, or of the class of `value`, after "a" or "an", for messages."""
    return with_article(value.__name__ if isinstance(value, type) else type(value).__name__)


def with_article(name: str) -> str:
    """A name after "a" or "an"."""
    spelled = name[1:2].isupper() and name[0] in "FHLMNRSX"  # as in "an LSTM"
    return f"{'an' if name[0] in 'AEIOaeio' or spelled else 'a'} {name}"


def in_place_of_several(value: Any) -> str:
    """What came where a list or dict of arrays was expected, for messages: one array, or an object of another type."""
    if hasattr(value, "__array__") or hasattr(value, "tocsr"):
        return "one"
    hint = ", which is no dict: dict(...) makes one of it" if isinstance(value, Mapping) else ""
    return f"an object of type {type_name(value)}{hint}"


def named(name: str, get: Callable[[Any], Thing], value: Any) -> Thing:
    """Call `get` with an argument, and put the argument's name in front of the message of its errors."""
    try:
        return get(value)
    except (TypeError, ValueError) as error:
        kinds = (ArgumentTypeError, TypeError, ValueError)
        kind = next(kind for kind in kinds if isinstance(error, kind))
        raise kind(f"{name}: {error}") from error
