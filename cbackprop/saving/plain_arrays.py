"""Split values that contain arrays into plain values for JSON and named arrays, and join them again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["join_arrays", "split_arrays"]

# A dict with only this key stands for an array.
ARRAY = "__array__"


def split_arrays(value: Any, arrays: dict[str, NDArray[Any]], where: str) -> Any:
    """Move the arrays in `value` to `arrays`, and put dicts with their names in their place.

    Raises
    ------
    TypeError
        For anything but None, bool, int, float, str, arrays of numbers, and lists and dicts of these.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub" and value.dtype.itemsize <= 8:
        name = str(len(arrays))
        arrays[name] = np.array(value, value.dtype.newbyteorder("="), order="C")
        return {ARRAY: name}
    if isinstance(value, (list, tuple)):
        return [split_arrays(item, arrays, f"{where}[{number}]") for number, item in enumerate(value)]
    if isinstance(value, dict) and all(isinstance(key, str) and key != ARRAY for key in value):
        return {key: split_arrays(item, arrays, f"{where}[{key!r}]") for key, item in value.items()}
    raise TypeError(
        f"{where} cannot be saved: it must be made of None, bool, int, float, str, arrays of numbers, lists, and dicts "
        f"with names as keys, but got {type(value).__name__}."
    )


def join_arrays(value: Any, read: Callable[[str], NDArray[Any]]) -> Any:
    """Restore the value that `split_arrays` was given, with lists in place of tuples.

    Raises
    ------
    KeyError
        If an array is missing.
    """
    if isinstance(value, list):
        return [join_arrays(item, read) for item in value]
    if isinstance(value, dict):
        if ARRAY in value:
            return read(str(value[ARRAY]))
        return {key: join_arrays(item, read) for key, item in value.items()}
    return value
