"""ActsAsArray: base of objects that hold an array and can be used in arithmetic like one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

__all__ = ["ActsAsArray"]


class ActsAsArray(NDArrayOperatorsMixin):
    """Arithmetic and comparisons work element by element, as with Keras's variables; hashing is by identity.

    A subclass defines ``__array__`` and, for ``+=`` and the like, ``assign``.
    """

    __hash__ = object.__hash__  # type: ignore[assignment]  # that of the operators' class would be none

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        raise NotImplementedError

    def assign(self, value: Any) -> Any:
        """Replace the values."""
        raise NotImplementedError

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Apply a NumPy function to the values; ``variable += x`` assigns."""
        plain = [np.asarray(x) if isinstance(x, ActsAsArray) else x for x in inputs]
        (out,) = kwargs.pop("out", (None,))
        if not isinstance(out, ActsAsArray):
            return getattr(ufunc, method)(*plain, **kwargs | ({} if out is None else {"out": out}))
        out.assign(getattr(ufunc, method)(*plain, **kwargs))
        return out

    def __getitem__(self, index: Any) -> Any:
        """A copy of a part of the values, indexed as in NumPy."""
        return np.asarray(self)[index]

    def __len__(self) -> int:
        return len(np.asarray(self))

    def __bool__(self) -> bool:
        return bool(np.asarray(self))

    def __float__(self) -> float:
        return float(np.asarray(self).item())

    def __int__(self) -> int:
        return int(np.asarray(self).item())

    def __round__(self, ndigits: int | None = None) -> Any:
        return np.round(np.asarray(self), ndigits or 0)
