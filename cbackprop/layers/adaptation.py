"""Read the data given to a layer's `adapt`: an array or table, or batches from a list, a generator or a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.losses.target import as_array, check_finite

__all__ = ["adaptation_batches"]

# An object with one of these attributes is an array or a table, not an iterable of batches.
ARRAY_SIGNS = ("__array__", "__array_interface__", "__dlpack__", "__dataframe__", "__arrow_c_stream__")


def adaptation_batches(data: Any) -> Iterator[NDArray[Any]]:
    """Yield checked arrays of real numbers with a batch axis.

    Raises
    ------
    TypeError
        If a batch is not an array of numbers.
    ValueError
        If a batch is empty or not finite.
    """
    whole = _is_array(data) or not (hasattr(data, "__iter__") or _is_dataset(data))
    if isinstance(data, (list, tuple)):
        whole = bool(data) and not all(_is_array(_inputs_of(item)) for item in data)
    for item in [data] if whole else _batches(data):
        yield _checked(_inputs_of(item))


def _batches(data: Any) -> Iterable[Any]:
    """The batches of an iterable, or of a dataset whose batches are numbered."""
    return (data[index] for index in range(len(data))) if _is_dataset(data) else data


def _is_dataset(data: Any) -> bool:
    """Whether this is a `PyDataset` or has its methods."""
    return hasattr(data, "on_epoch_end") and hasattr(data, "__getitem__")


def _is_array(value: Any) -> bool:
    return any(hasattr(value, sign) for sign in ARRAY_SIGNS) and getattr(value, "ndim", 1) > 0


def _inputs_of(batch: Any) -> Any:
    """The inputs of a batch, without its targets."""
    return batch[0] if isinstance(batch, (tuple, list)) and batch and _is_array(batch[0]) else batch


def _checked(batch: Any) -> NDArray[Any]:
    array = as_array("the data of adapt", batch)
    if array.ndim == 0:
        raise TypeError(
            f"adapt takes arrays of numbers with a batch axis, which have a `.shape`, but got {type(batch).__name__}."
        )
    if array.ndim == 1:
        array = array[:, np.newaxis]
    if array.size == 0:
        raise ValueError(f"adapt needs at least one sample, but got an array of shape {array.shape}.")
    check_finite("the data of adapt", array)
    return array
