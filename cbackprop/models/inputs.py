"""One input of a model: checked, and in the form in which engines read it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.engine import STORED_AS, SparseRows
from cbackprop.losses.target import NotFiniteError, as_array, check_finite

__all__ = ["check_whole", "is_sparse", "make_input", "sample_shape"]

# An array of more bytes is not copied to change its type: that is done with every batch as it is fetched.
LARGE = 2**26
# Numbers that are looked at together.
BLOCK = 2**16


def is_sparse(value: Any) -> bool:
    """Whether this is a sparse matrix of SciPy."""
    return hasattr(value, "tocsr") and hasattr(value, "shape")


def sample_shape(value: Any) -> tuple[int, ...]:
    """The shape of a sample, by which a model without an input shape is built.

    Raises
    ------
    TypeError, ValueError
        If this is no array of numbers with an axis for the samples.
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
    """An array (samples, ...) in C order, or sparse rows, of `dtype` or of a type that engines convert from.

    Without `check`, whether numbers are finite is left to whoever reads them.

    Raises
    ------
    TypeError
        If this is no array of numbers.
    ValueError
        If its shape is wrong, there are no samples, or a value is not finite.
    """
    if value is None:
        raise ValueError(f"{name} is missing: expected an array of shape {tensor.shape}.")
    if is_sparse(value):
        return _make_sparse(name, value, tensor, dtype)
    array = as_array(name, value)
    if array.ndim == 1 and tensor.shape[1:] == (1,):
        array = array[:, np.newaxis]
    _check_shape(name, array, tensor)
    if check:
        check_finite(name, array)
    return _stored(name, array, np.dtype(dtype), check)


def check_whole(name: str, value: Any, limit: int | None) -> None:
    """Refuse numbers that are not whole, or cannot be used to look something up in a table of `limit` rows.

    Raises
    ------
    ValueError
        If there is one.
    """
    stored = value.values if isinstance(value, SparseRows) else value.reshape(-1)
    for begin in range(0, len(stored), BLOCK):
        numbers = stored[begin : begin + BLOCK]
        fractions = np.rint(numbers) != numbers
        if fractions.any():
            raise ValueError(f"{name} must hold whole numbers, but got {numbers[fractions][0]}.")
        wrong = np.zeros(0) if limit is None else numbers[(numbers < 0) | (numbers >= limit)]
        if len(wrong):
            raise ValueError(f"{name} must hold whole numbers in [0, {limit}), but got {wrong[0]:.0f}.")


def _check_shape(name: str, array: Any, tensor: Any) -> None:
    if array.ndim == 0 or array.shape[1:] != tensor.shape[1:]:
        raise ValueError(f"{name} must have shape {tensor.shape}, but got {array.shape}.")
    if array.shape[0] == 0:
        raise ValueError(f"{name} holds no samples.")


def _stored(name: str, array: NDArray[Any], dtype: np.dtype[Any], check: bool) -> NDArray[Any]:
    """The array as it is, where engines read it so and a copy of their type would be large; else such a copy."""
    if array.dtype == np.bool_:
        array = array.view(np.uint8)
    readable = array.dtype.name in STORED_AS and array.dtype.isnative
    smaller = array.dtype.itemsize < dtype.itemsize
    narrowed = array.dtype.kind == "f" and array.dtype.itemsize > dtype.itemsize
    if readable and (smaller or (array.nbytes > LARGE and array.flags.c_contiguous)):
        if check and narrowed:
            _check_range(name, array, dtype)
        return np.ascontiguousarray(array)
    with np.errstate(over="ignore"):  # told of below, with the place
        converted = np.ascontiguousarray(array, dtype)
    if check and narrowed:
        check_finite(f"{name} as {dtype}", converted)
    return converted


def _check_range(name: str, array: NDArray[Any], dtype: np.dtype[Any]) -> None:
    """Refuse numbers that would become infinite, without a copy of them all."""
    for extreme, index in ((array.max(), array.argmax), (array.min(), array.argmin)):
        with np.errstate(over="ignore"):
            converted = dtype.type(extreme)
        if not np.isfinite(converted):
            where = tuple(int(i) for i in np.unravel_index(index(), array.shape))
            raise NotFiniteError(f"{name} as {dtype}", converted, where)


def _make_sparse(name: str, matrix: Any, tensor: Any, dtype: str) -> SparseRows:
    """The rows of a matrix in any of SciPy's sparse formats."""
    if matrix.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, but got dtype {matrix.dtype}.")
    _check_shape(name, matrix, tensor)
    rows = matrix.tocsr()
    if not rows.has_sorted_indices:
        rows = rows.sorted_indices()
    if rows.shape[1] > np.iinfo(np.int32).max:
        raise ValueError(f"{name} has {rows.shape[1]} columns: more than {np.iinfo(np.int32).max} cannot be numbered.")
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(rows.data, dtype)
    if not np.isfinite(values).all():
        stored = int((~np.isfinite(values)).argmax())
        row = int(np.searchsorted(rows.indptr, stored, side="right")) - 1
        raise NotFiniteError(f"{name} as {dtype}", values[stored], (row, int(rows.indices[stored])))
    return SparseRows(rows.indptr, rows.indices, values, rows.shape[1])
