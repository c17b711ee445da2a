"""MetricVariable: an array that a metric keeps between batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import ArrayLike, DTypeLike, NDArray

from cbackprop import initializers
from cbackprop.validation import check_integer, check_items, check_memory, check_name, named

__all__ = ["MetricVariable"]


class MetricVariable(NDArrayOperatorsMixin):
    """An array of fixed shape and type that can be used in arithmetic and assigned to.

    Parameters
    ----------
    shape : sequence of int
    initializer : str, Initializer or callable
        Called as ``initializer(shape, dtype=dtype)``.
    dtype : str
        Any real type of NumPy.
    name : str, optional

    Raises
    ------
    TypeError, ValueError
        If the shape, the type or the initializer is not valid.
    """

    def __init__(self, shape: Sequence[int], initializer: Any, dtype: DTypeLike, name: str | None = None) -> None:
        kind = _check_type(dtype)
        given = (shape,) if isinstance(shape, (int, np.integer)) else check_items("shape", shape, "a tuple of integers")
        sizes = [check_integer("shape", size, 0) for size in given]
        check_memory("shape", sizes)
        self._values: NDArray[Any] = np.zeros(sizes, kind)
        self.name = check_name(name)
        if initializer is None or (isinstance(initializer, str) and initializer == "zeros"):
            return
        initial = named("initializer", initializers.get, initializer)
        first_type = self.dtype if kind.kind == "f" else "float32"
        self.assign(named("initializer", lambda start: start(self.shape, dtype=first_type), initial))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return self._values.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._values.ndim

    @property
    def dtype(self) -> str:
        """Name of the type."""
        return self._values.dtype.name

    @property
    def value(self) -> NDArray[Any]:
        """A copy of the values."""
        return self._values.copy()

    def numpy(self) -> NDArray[Any]:
        """A copy of the values."""
        return self._values.copy()

    def assign(self, value: ArrayLike) -> MetricVariable:
        """Replace the values.

        Raises
        ------
        ValueError
            If the shape differs.
        """
        array, values = np.asarray(value), self._values
        if array.shape != values.shape:
            if array.size != 1 or values.size != 1:
                raise ValueError(f"Variable {self.name!r} of a metric has shape {self.shape}, but got {array.shape}.")
            array = array.reshape(values.shape)
        if not values.flags.writeable:  # it was unpickled from read-only memory
            self._values = values = values.copy()
        values[...] = array
        return self

    def clear(self) -> None:
        """Set all values to 0."""
        self._values = np.zeros(self.shape, self._values.dtype)

    def assign_add(self, value: ArrayLike) -> MetricVariable:
        """Add to the values."""
        return self.assign(self._values + np.asarray(value))

    def assign_sub(self, value: ArrayLike) -> MetricVariable:
        """Subtract from the values."""
        return self.assign(self._values - np.asarray(value))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return self._values.astype(dtype or self._values.dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Apply a NumPy function to the values; ``variable += x`` assigns."""
        plain = [x._values if isinstance(x, MetricVariable) else x for x in inputs]
        (out,) = kwargs.pop("out", (None,))
        if not isinstance(out, MetricVariable):
            return getattr(ufunc, method)(*plain, out=out, **kwargs)
        return out.assign(getattr(ufunc, method)(*plain, **kwargs))

    def __getitem__(self, key: Any) -> Any:
        return self._values[key].copy()

    def __len__(self) -> int:
        return len(self._values)

    def __float__(self) -> float:
        return float(self._values.item())

    def __int__(self) -> int:
        return int(self._values.item())

    def __bool__(self) -> bool:
        return bool(self._values.item())

    def __repr__(self) -> str:
        return f"<MetricVariable name={self.name!r} shape={self.shape} dtype={self.dtype} value={self._values}>"


def _check_type(dtype: Any) -> np.dtype[Any]:
    """Check that `dtype` is a type of real numbers. ``None`` means float64, as in NumPy."""
    try:
        found = np.dtype(dtype)
    except (TypeError, ValueError):
        found = np.dtype(object)
    if found.kind not in "fiub":
        raise TypeError(f"dtype must be a type of real numbers, but got {dtype!r}.")
    return found
