"""Arrays that carry a mask from one layer to the next.

NumPy arrays take no attributes, so an output with a mask is an array of a subclass, and the mask lives as long as its
array. A separate table of masks would have to track when arrays are freed, and by which thread. As in Keras, a result
computed from such an array has no mask: only layers pass masks on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MaskArray", "mask_of", "with_mask"]


class MaskArray(np.ndarray[Any, Any]):
    """An array with a mask. Results of arithmetic, parts and copies are ordinary arrays without one."""

    _keras_mask: NDArray[Any] | None = None

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        """Return the result of a NumPy function as an ordinary array."""
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
    """A view of the array that carries this mask; the array itself if `mask` is ``None``."""
    if mask is None:
        return array
    masked = array.view(MaskArray)
    masked._keras_mask = np.asarray(mask)
    return masked
