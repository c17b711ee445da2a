"""What an optimizer remembers, as named variables and as arrays to be saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["OptimizerVariable", "check_array"]


class OptimizerVariable:
    """Something that an optimizer remembers: the number of batches, the learning rate, or a slot of a variable.

    Attributes
    ----------
    name, path : str
    value : ndarray
        A copy.
    shape : tuple of int
    dtype : str
    """

    def __init__(self, owner: str, name: str, read: Callable[[], Any], write: Callable[[NDArray[Any]], None]) -> None:
        self.name = name
        self.path = f"{owner}/{name}"
        self._read, self._write = read, write

    @property
    def value(self) -> NDArray[Any]:
        """A copy of the values."""
        return np.array(self._read())

    def numpy(self) -> NDArray[Any]:
        """A copy of the values."""
        return self.value

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self.value.shape

    @property
    def dtype(self) -> str:
        """Name of the type of the values."""
        return self.value.dtype.name

    def assign(self, value: ArrayLike) -> None:
        """Replace the values.

        Raises
        ------
        TypeError, ValueError
            If they are no real numbers, or of another shape.
        """
        self._write(check_array(self.path, value, self.shape))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self.value.astype(dtype or self.dtype)

    def __repr__(self) -> str:
        return f"<OptimizerVariable path={self.path!r} shape={self.shape} dtype={self.dtype}>"


def check_array(name: str, value: ArrayLike, shape: tuple[int, ...]) -> NDArray[Any]:
    """`value` as an array of numbers of this shape. After a training that diverged they may be NaN or infinite.

    Raises
    ------
    TypeError, ValueError
        If it is no such array.
    """
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} needs real numbers, but got dtype {array.dtype}.")
    if array.shape != shape:
        raise ValueError(f"{name} has shape {shape}, but got {array.shape}.")
    return array
