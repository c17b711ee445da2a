"""Whether the memory of an array is still there: anybody may resize what a view looks at, or cut off a mapped file."""

from __future__ import annotations

import mmap
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Held", "check_mapped", "is_whole"]


class Held(NamedTuple):
    """An array, as it was at some moment, and where.

    Attributes
    ----------
    array : ndarray
    shape : tuple of int
    dtype : dtype
    owner : ndarray
        What the array is a view of, in the end; itself, if it is none.
    address, length : int
        Of the owner, in bytes.
    is_mapped : bool
        Whether that is a file mapped into memory.
    """

    array: NDArray[Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    owner: NDArray[Any]
    address: int
    length: int
    is_mapped: bool

    @classmethod
    def of(cls, array: NDArray[Any]) -> Self:
        """The array as it is now."""
        owner = owner_of(array)
        address, is_mapped = owner.__array_interface__["data"][0], isinstance(owner.base, mmap.mmap)
        return cls(array, array.shape, array.dtype, owner, address, owner.nbytes, is_mapped)


def owner_of(array: NDArray[Any]) -> NDArray[Any]:
    """The array that this one is a view of, in the end."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def check_mapped(name: str, array: NDArray[Any]) -> None:
    """Refuse an array in a file that has become shorter: reading it would end the process.

    Raises
    ------
    ValueError
        If it has.
    """
    owner = owner_of(array)
    if isinstance(owner.base, mmap.mmap) and not is_whole(owner):
        raise ValueError(f"{name} is mapped from a file that has become shorter since, so that it cannot be read.")


def is_whole(owner: Any) -> bool:
    """Whether the file that an array is mapped from is as long as what is mapped of it."""
    memory = owner.base
    offset = getattr(owner, "offset", 0)
    try:
        return bool(memory.size() >= offset - offset % mmap.ALLOCATIONGRANULARITY + len(memory))
    except (OSError, ValueError):  # of no file, or closed, which NumPy does not allow while there are arrays
        return True
