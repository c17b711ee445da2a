"""Named variables of an optimizer's state, and numbers that can be assigned."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop.acts_as_array import ActsAsArray

__all__ = ["CountVariable", "OptimizerVariable", "RateVariable", "check_array"]


class OptimizerVariable(ActsAsArray):
    """A part of an optimizer's state: the number of batches, the learning rate, or a slot of a variable.

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
        """The sizes of the axes."""
        return self.value.shape

    @property
    def dtype(self) -> str:
        """The name of the type of the values."""
        return self.value.dtype.name

    def assign(self, value: ArrayLike) -> OptimizerVariable:
        """Replace the values, and return the variable.

        Raises
        ------
        TypeError, ValueError
            If they are not real numbers, or have another shape.
        """
        self._write(check_array(self.path, value, self.shape))
        return self

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self.value.astype(dtype or self.dtype)

    def __eq__(self, other: Any) -> Any:
        return self.value == (other.value if isinstance(other, OptimizerVariable) else other)

    __hash__ = object.__hash__

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __index__(self) -> int:
        return operator.index(self.value.item())

    def __repr__(self) -> str:
        return f"<OptimizerVariable path={self.path!r} shape={self.shape} dtype={self.dtype}>"


class RateVariable(float):
    """The learning rate: a number that can be assigned to, like a variable.

    Attributes
    ----------
    value : float
    """

    _write: Callable[[Any], None]

    def __new__(cls, value: float, write: Callable[[Any], None]) -> Self:
        """Make the number, with the function that sets it."""
        made = super().__new__(cls, value)
        made._write = write
        return made

    @property
    def value(self) -> float:
        """The number as a plain Python number."""
        return float(self)

    def numpy(self) -> np.float64:
        """The number as a NumPy scalar."""
        return np.float64(self)

    def assign(self, value: Any) -> None:
        """Set the learning rate of the optimizer.

        Raises
        ------
        TypeError, ValueError
            If it is not a number of at least 0, or the learning rate is a schedule.
        """
        self._write(np.asarray(value).item())

    def __reduce__(self) -> Any:
        return float, (float(self),)


class CountVariable(int):
    """A count that can be assigned to, like a variable.

    Attributes
    ----------
    value : int
    """

    _write: Callable[[Any], None]

    def __new__(cls, value: int, write: Callable[[Any], None]) -> Self:
        """Make the number, with the function that sets it."""
        made = super().__new__(cls, value)
        made._write = write
        return made

    @property
    def value(self) -> int:
        """The number as a plain Python number."""
        return int(self)

    def numpy(self) -> np.int64:
        """The number as a NumPy scalar."""
        return np.int64(self)

    def assign(self, value: Any) -> None:
        """Set the count of the optimizer.

        Raises
        ------
        TypeError, ValueError
            If it is not a whole number of at least 0.
        """
        self._write(np.asarray(value).item())

    def __reduce__(self) -> Any:
        return int, (int(self),)


def check_array(name: str, value: ArrayLike, shape: tuple[int, ...]) -> NDArray[Any]:
    """`value` as an array of numbers of this shape. NaN and infinity are allowed: training may have diverged.

    Raises
    ------
    TypeError, ValueError
        If it is not such an array.
    """
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} needs real numbers, but got dtype {array.dtype}.")
    if array.shape != shape:
        raise ValueError(f"{name} has shape {shape}, but got {array.shape}.")
    return array
