"""Check that the memory of an array still exists: users may resize the base of a view, or truncate a mapped file."""

from __future__ import annotations

import mmap
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Held", "check_mapped", "is_mapped", "is_whole"]


class Held(NamedTuple):
    """An array, with a record of its memory at some moment.

    Attributes
    ----------
    array : ndarray
    shape : tuple of int
    dtype : dtype
    owner : ndarray
        The array that owns the memory: the base of all views, or the array itself.
    address, length : int
        Address and length of the owner's memory, in bytes.
    is_mapped : bool
        Whether the memory is a mapped file.
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
        """Record the array as it is now."""
        owner = owner_of(array)
        address, is_mapped = owner.__array_interface__["data"][0], isinstance(owner.base, mmap.mmap)
        return cls(array, array.shape, array.dtype, owner, address, owner.nbytes, is_mapped)


def owner_of(array: NDArray[Any]) -> NDArray[Any]:
    """The array that owns the memory of this one."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def is_mapped(array: NDArray[Any]) -> bool:
    """Whether the array's memory is mapped, as by `numpy.memmap`."""
    return isinstance(owner_of(array).base, mmap.mmap)


def check_mapped(name: str, array: NDArray[Any]) -> None:
    """Refuse an array mapped from a file that has become shorter: reading it would crash the process.

    Raises
    ------
    ValueError
        If the file has become shorter.
    """
    owner = owner_of(array)
    if isinstance(owner.base, mmap.mmap) and not is_whole(owner):
        raise ValueError(f"{name} is mapped from a file that has become shorter since, so that it cannot be read.")


def is_whole(owner: Any) -> bool:
    """Whether the file that an array is mapped from is still as long as the mapped part."""
    memory = owner.base
    offset = getattr(owner, "offset", 0)
    try:
        return bool(memory.size() >= offset - offset % mmap.ALLOCATIONGRANULARITY + len(memory))
    except (OSError, ValueError):  # not mapped from a file; NumPy does not allow closing one in use
        return True
