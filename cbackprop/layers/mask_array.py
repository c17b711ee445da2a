"""Arrays that carry a mask from the layer that has made them to the next one.

NumPy's arrays take no attributes, so an output with a mask is of a class derived from them. A table beside the arrays
would have to know when an array is gone, and to which of several threads it belongs; here the mask lives and dies with
its array. As in Keras, whatever is computed from such an array has no mask: only layers pass one on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MaskArray", "mask_of", "with_mask"]


class MaskArray(np.ndarray[Any, Any]):
    """An array with a mask. What is made of it, by arithmetic, as a part or as a copy, is an ordinary array."""

    _keras_mask: NDArray[Any] | None = None

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        """The result of a function of NumPy."""
        plain = np.asarray(array)
        return plain[()] if return_scalar else plain

    def __getitem__(self, index: Any) -> Any:
        return self.view(np.ndarray)[index]

    def __repr__(self) -> str:
        return repr(self.view(np.ndarray))

    def __str__(self) -> str:
        return str(self.view(np.ndarray))

    def __reduce__(self) -> Any:
        return self.view(np.ndarray).__reduce__()


def mask_of(array: Any) -> Any:
    """The mask that an array carries; ``None`` if it has none."""
    return getattr(array, "_keras_mask", None)


def with_mask(array: NDArray[Any], mask: Any) -> NDArray[Any]:
    """The array with this mask, without copying it; as it is if `mask` is ``None``."""
    if mask is None:
        return array
    masked = array.view(MaskArray)
    masked._keras_mask = np.asarray(mask)
    return masked
