"""Whether the memory of an array is still there: anybody may resize what a view looks at, or cut off a mapped file."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["check_mapped", "is_still_there"]


def is_still_there(array: NDArray[Any]) -> bool:
    """Whether all numbers of an array lie within what it is a view of, and in a file that is as long as it was."""
    owner = _owner(array)
    if isinstance(owner.base, mmap.mmap):
        return _is_whole(owner)
    if owner is array or not owner.flags.owndata:
        return True
    (low, high), (begin, end) = _extent(array), _extent(owner)
    return begin <= low and high <= end


def check_mapped(name: str, array: NDArray[Any]) -> None:
    """Refuse an array in a file that has become shorter: reading it would end the process.

    Raises
    ------
    ValueError
        If it has.
    """
    owner = _owner(array)
    if isinstance(owner.base, mmap.mmap) and not _is_whole(owner):
        raise ValueError(f"{name} is mapped from a file that has become shorter since, so that it cannot be read.")


def _owner(array: NDArray[Any]) -> NDArray[Any]:
    """The array that this one is a view of, in the end."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _extent(array: NDArray[Any]) -> tuple[int, int]:
    """The addresses of the first byte of an array, and of the first one behind it."""
    first = array.__array_interface__["data"][0]
    if not array.size:
        return first, first
    steps = [stride * (size - 1) for stride, size in zip(array.strides, array.shape, strict=True)]
    back, forth = sum(step for step in steps if step < 0), sum(step for step in steps if step > 0)
    return first + back, first + forth + array.itemsize


def _is_whole(owner: Any) -> bool:
    """Whether the file is as long as what is mapped of it."""
    memory = owner.base
    offset = getattr(owner, "offset", 0)
    try:
        return bool(memory.size() >= offset - offset % mmap.ALLOCATIONGRANULARITY + len(memory))
    except (OSError, ValueError):  # of no file, or closed, which NumPy does not allow while there are arrays
        return True
