"""Check the data of one input, and make the array that engines read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.engine import STORED_AS, SparseRows
from cbackprop.layers.unknown_sizes import fits
from cbackprop.losses.target import NotFiniteError, as_array, blocks, check_finite, without_repetition
from cbackprop.validation import contiguous

__all__ = ["check_repetitions", "check_whole", "checked_mask", "is_sparse", "make_input", "sample_shape"]

# The types that engines read, all in native byte order.
READABLE = frozenset(map(np.dtype, STORED_AS))
# A larger array, in bytes, is not copied to convert its type: each batch is converted when it is fetched. A smaller one
# is copied once for all epochs, which takes less time and little memory.
LARGE = 2**24
# A larger view, in bytes, is not copied to make it contiguous: the copy could be far larger than the view's memory.
LARGE_VIEW = 2**20
# The most samples of an array that repeats a single sample.
MOST_REPETITIONS = 2**30


def is_sparse(value: Any) -> bool:
    """Whether `value` is a sparse matrix of SciPy."""
    return hasattr(value, "tocsr") and hasattr(value, "shape")


def sample_shape(value: Any) -> tuple[int, ...]:
    """The shape of a sample, from which a model without an input shape is built.

    Raises
    ------
    TypeError, ValueError
        If `value` is not an array of numbers with an axis for the samples.
    """
    if value is None:
        raise ValueError("x is missing.")
    shape = getattr(value, "shape", None)
    if isinstance(value, np.ndarray) or not isinstance(shape, tuple):
        shape = as_array("x", value).shape
    if not shape:
        raise ValueError(f"x must be an array of numbers with a batch axis, but got {type(value).__name__}.")
    return tuple(int(size) for size in shape[1:]) or (1,)


def make_input(name: str, value: Any, tensor: Any, dtype: str, check: bool = True) -> Any:
    """An array (samples, ...) or sparse rows that engines can read.

    Without `check`, numbers may be NaN or infinite.

    Raises
    ------
    TypeError
        If `value` is not an array of numbers.
    ValueError
        If its shape is wrong, there are no samples, or a value is not finite.
    """
    if value is None:
        raise ValueError(
            f"{name} is missing: expected an array of shape {tensor.shape}. Input {tensor.name!r} is not optional: "
            "only inputs made by Input(..., optional=True) can be left out."
        )
    if is_sparse(value):
        return _make_sparse(name, value, tensor, dtype)
    array = with_rank(as_array(name, value), tensor.shape)
    _check_shape(name, array, tensor, value)
    if check:
        check_finite(name, array)
    return _stored(name, array, np.dtype(dtype), check)


def checked_mask(name: str, mask: Any, rows: tuple[Any, ...], dtype: str) -> NDArray[Any]:
    """A mask as numbers 0 and 1, of shape `rows`.

    Raises
    ------
    ValueError
        If the mask does not fit the array.
    """
    given = as_array(name, mask) != 0
    fits = given.ndim == len(rows) and all(size in (1, count) for size, count in zip(given.shape, rows, strict=True))
    if not fits:
        raise ValueError(
            f"{name} must have a value for each row of the input, shape {rows}, but has shape {given.shape}."
        )
    return contiguous(np.broadcast_to(given, rows), dtype)


def with_rank(array: NDArray[Any], shape: tuple[Any, ...]) -> NDArray[Any]:
    """The array with as many axes as `shape`. A last axis of size 1 is added or removed, as in Keras."""
    if array.ndim == len(shape) - 1 and array.ndim and shape[-1] == 1:
        return array[..., np.newaxis]
    if array.ndim == len(shape) + 1 and array.shape[-1] == 1:
        return array[..., 0]
    return array


def check_whole(name: str, value: Any, limit: int | None) -> None:
    """Check that all numbers are integers, and valid row numbers of a table of `limit` rows.

    Raises
    ------
    ValueError
        If one is not.
    """
    for _, numbers in blocks(without_repetition(value.values if isinstance(value, SparseRows) else value)):
        fractions = np.rint(numbers) != numbers
        if fractions.any():
            raise ValueError(f"{name} must hold whole numbers, but got {numbers[fractions][0]}.")
        wrong = np.zeros(0) if limit is None else numbers[(numbers < 0) | (numbers >= limit)]
        if len(wrong):
            raise ValueError(f"{name} must hold whole numbers in [0, {limit}), but got {wrong[0]:.0f}.")


def _check_shape(name: str, array: Any, tensor: Any, given: Any = None) -> None:
    if array.ndim == 0 or not fits(array.shape, tensor.shape):
        hint = ""
        if array.ndim and fits((1, *array.shape), tensor.shape):
            hint = " A single sample is a batch of one, with one more axis: x[np.newaxis]."
        elif isinstance(given, (list, tuple)) and array.ndim > len(tensor.shape):
            hint = (
                " A list counts as one array of samples. Give x and y separately, as in fit(x, y); batches (x, y) "
                "come from a generator or a PyDataset."
            )
        raise ValueError(f"{name} must have shape {tensor.shape}, but got {array.shape}.{hint}")
    if array.shape[0] == 0:
        raise ValueError(f"{name} holds no samples.")


def _stored(name: str, array: NDArray[Any], dtype: np.dtype[Any], check: bool) -> NDArray[Any]:
    """The array itself if engines can read it and a copy would be large; else a copy in the model's type."""
    if array.dtype == np.bool_:
        array = array.view(np.uint8)
    narrowed = array.dtype.kind == "f" and array.dtype.itemsize > dtype.itemsize
    smaller = array.dtype.itemsize < dtype.itemsize
    limit = (0 if smaller else LARGE) if array.flags.c_contiguous else LARGE_VIEW
    if is_readable(array) and array.nbytes > limit:
        if check and narrowed:
            _check_range(name, array, dtype)
        return array
    with np.errstate(over="ignore"):  # refused below, with the index
        converted = contiguous(array, dtype)
    if check and narrowed:
        check_finite(f"{name} as {dtype}", converted)
    return converted


def check_repetitions(inputs: Sequence[Any]) -> None:
    """Refuse an array that repeats one sample so often that a run would never end.

    Raises
    ------
    ValueError
        If it holds more than `MOST_REPETITIONS` samples, all the same one.
    """
    there = [x for x in inputs if x is not None]
    count = len(there[0])
    if count > MOST_REPETITIONS and all(isinstance(x, np.ndarray) and x.strides[0] == 0 for x in there):
        raise ValueError(
            f"x repeats one sample {count} times, as made by `broadcast_to`; at most {MOST_REPETITIONS} samples are "
            "allowed. Repeat it fewer times, or set the number of batches by `steps`."
        )


def is_readable(array: NDArray[Any]) -> bool:
    """Whether engines read an array of this type."""
    return array.dtype in READABLE


def _check_range(name: str, array: NDArray[Any], dtype: np.dtype[Any]) -> None:
    """Refuse numbers that become infinite in `dtype`. Works without a copy of the whole array."""
    array = without_repetition(array)
    with np.errstate(over="ignore"):
        if np.isfinite(dtype.type(array.max())) and np.isfinite(dtype.type(array.min())):
            return
        for first, block in blocks(array):
            try:
                check_finite(f"{name} as {dtype}", block.astype(dtype))
            except NotFiniteError as error:
                raise error.at(first + error.index[0]) from None


def _make_sparse(name: str, matrix: Any, tensor: Any, dtype: str) -> SparseRows:
    """The rows of a matrix in any of SciPy's sparse formats."""
    if matrix.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, but got dtype {matrix.dtype}.")
    _check_shape(name, matrix, tensor)
    rows = matrix.tocsr()
    if not rows.has_sorted_indices:
        rows = rows.sorted_indices()
    if rows.shape[1] > np.iinfo(np.int32).max:
        raise ValueError(f"{name} has {rows.shape[1]} columns, but at most {np.iinfo(np.int32).max} are supported.")
    with np.errstate(over="ignore"):
        values = contiguous(rows.data, dtype)
    if not np.isfinite(values).all():
        stored = int((~np.isfinite(values)).argmax())
        row = int(np.searchsorted(rows.indptr, stored, side="right")) - 1
        raise NotFiniteError(f"{name} as {dtype}", values[stored], (row, int(rows.indices[stored])))
    return SparseRows(rows.indptr, rows.indices, values, rows.shape[1])
