"""Checks of targets and sample weights, and the form in which the kernels want them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.foreign import from_foreign
from cbackprop.validation import type_name

__all__ = [
    "NotFiniteError",
    "as_array",
    "blocks",
    "check_finite",
    "check_prediction",
    "check_target",
    "check_weights",
    "without_repetition",
]

# Numbers that are looked at together.
BLOCK = 2**16
# How far beyond its limits a target may be: what adding float32 numbers up to 1 may be off by.
ROUNDING = 1e-6


class NotFiniteError(ValueError):
    """A number is NaN or infinite.

    Parameters
    ----------
    name : str
        Of the array.
    value : float
    index : tuple of int
        Where in the array it is.
    """

    def __init__(self, name: str, value: float, index: tuple[int, ...]) -> None:
        super().__init__(f"{name} must be finite, but got {value} at index {index}.")
        self.name, self.value, self.index = name, value, index

    def __reduce__(self) -> tuple[Any, ...]:
        return NotFiniteError, (self.name, self.value, self.index)

    def at(self, row: int) -> NotFiniteError:
        """The same for another array, of which the one that was checked is a part: there it is in this row."""
        return NotFiniteError(self.name, self.value, (row, *self.index[1:]))


def as_array(name: str, value: Any) -> NDArray[Any]:
    """`value` as an array of real numbers.

    Raises
    ------
    TypeError
        If it holds anything else.
    ValueError
        If its rows differ in length.
    """
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} must not be a masked array: its mask would be lost. Fill it, or weigh samples by 0.")
    native = from_foreign(name, value)
    try:
        array = np.asarray(native)
    except ValueError as error:
        if isinstance(value, (list, tuple)):
            raise ValueError(f"{name} must be one array, but its parts differ in shape ({error}).") from None
        raise ValueError(f"{name}, of type {type_name(value)}, cannot be read as an array: {error}") from None
    if array.dtype.kind not in "fiub":
        single = array.dtype == object and not array.ndim
        got = f"an object of type {type_name(value)}" if single else f"dtype {array.dtype}"
        raise TypeError(f"{name} must hold real numbers, but got {got}.{_hint(value, array)}")
    return array


def _hint(value: Any, array: NDArray[Any]) -> str:
    """How what is no array of numbers may become one."""
    if hasattr(value, "toarray"):
        return " A sparse matrix must be made dense first: call its toarray()."
    if inspect.isgeneratorfunction(value):
        return " Call it: what it returns are batches."
    if array.dtype == object and array.ndim:
        return " If all of it are numbers, convert it: astype('float32')."
    return ""


def check_finite(name: str, array: NDArray[Any]) -> None:
    """Refuse NaN and infinity."""
    if array.dtype.kind != "f":
        return
    array = without_repetition(array)
    # A sum is finite only if every term is: one cheap pass decides nearly always.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(array.sum(dtype=array.dtype.newbyteorder("=") if array.dtype.itemsize > 2 else np.float32)):
            return
    for first, block in blocks(array):
        bad = ~np.isfinite(block)
        if bad.any():
            where = tuple(int(i) for i in np.argwhere(bad)[0])
            raise NotFiniteError(name, block[where], (first + where[0], *where[1:]) if where else where)


def without_repetition(array: NDArray[Any]) -> NDArray[Any]:
    """A view without what is there again and again, as in an array that was broadcast to more than memory holds.

    A number has the same place in it as it has, first of all, in the array.
    """
    axes = zip(array.strides, array.shape, strict=True)
    return array[tuple(slice(0, 1) if stride == 0 and size else slice(None) for stride, size in axes)]


def blocks(array: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    """Parts of an array, each with the number of its first row: what is made of one may be as large as a batch.

    A view can be far larger than the memory it looks at, so that nothing must ever be made of all its numbers.
    """
    if not array.ndim:
        yield 0, array
        return
    rows = max(BLOCK // max(math.prod(array.shape[1:]), 1), 1)
    for first in range(0, len(array), rows):
        yield first, array[first : first + rows]


def check_prediction(name: str, value: Any, dtype: str) -> NDArray[Any]:
    """Predictions as a contiguous copy of `dtype`, with at least one axis.

    Raises
    ------
    TypeError
        If they are no real numbers.
    ValueError
        If there is no axis, or a value is not finite.
    """
    array = as_array(name, value)
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ValueError(f"{name} must have rows of predictions in its last axis, but got shape {array.shape}.")
    with np.errstate(over="ignore"):
        prediction = np.array(array, dtype, order="C")
    check_finite(name, prediction)
    return prediction


def check_target(
    name: str,
    value: Any,
    prediction_shape: tuple[int, ...],
    kind: str,
    dtype: str,
    limits: tuple[float, float] | None = None,
) -> NDArray[Any]:
    """Targets as (rows, width) of `dtype`, or for class numbers as (rows,) of int64.

    Those of the kind "half" are half as wide as the predictions; zeros take the place of the other half.

    Raises
    ------
    ValueError
        If the shape does not fit the prediction's, a class or value is out of range, or a value is not finite.
    """
    array = as_array(name, value)
    check_finite(name, array)
    if kind == "index":
        return _check_classes(name, array, prediction_shape)
    if kind == "half":
        array = _filled_up(name, array, prediction_shape)
    if array.shape == prediction_shape[:-1] and prediction_shape[-1] == 1:
        array = array.reshape(prediction_shape)
    if array.shape != prediction_shape:
        hint = _class_hint(array, prediction_shape)
        raise ValueError(
            f"{name} must have the shape of the predictions, {prediction_shape}, but got {array.shape}.{hint}"
        )
    with np.errstate(over="ignore"):
        checked = np.ascontiguousarray(array, dtype).reshape(-1, prediction_shape[-1])
    if array.dtype.itemsize > checked.dtype.itemsize:
        check_finite(name, checked)
    if limits is not None:
        _check_limits(name, checked, limits)
    return checked


def _filled_up(name: str, array: NDArray[Any], prediction_shape: tuple[int, ...]) -> NDArray[Any]:
    """Targets half as wide as the predictions, and zeros beside them."""
    rows, width = prediction_shape[:-1], prediction_shape[-1]
    if width % 2:
        raise ValueError(f"Predictions must hold a mean and a variance for each target, but have {width} columns.")
    if array.shape == rows and width == 2:
        array = array[..., np.newaxis]
    if array.shape != (*rows, width // 2):
        raise ValueError(
            f"{name} must be half as wide as the predictions, {(*rows, width // 2)}, but got shape {array.shape}."
        )
    return np.concatenate([array, np.zeros_like(array)], axis=-1)


def _class_hint(array: NDArray[Any], prediction_shape: tuple[int, ...]) -> str:
    """What to do if targets of the wrong shape look like class numbers."""
    rows, classes = prediction_shape[:-1], prediction_shape[-1]
    fits = array.size > 0 and array.dtype.kind in "iub" and array.shape in (rows, (*rows, 1))
    if not fits or without_repetition(array).max() >= classes:
        return ""
    return (
        " Class numbers go with losses and metrics called sparse_..., or become rows by utils.to_categorical(y, "
        f"{classes})."
    )


def _check_limits(name: str, array: NDArray[Any], limits: tuple[float, float]) -> None:
    low, high = limits
    array = without_repetition(array)
    if array.size and (array.min() < low - ROUNDING or array.max() > high + ROUNDING):
        wrong = array[(array < low - ROUNDING) | (array > high + ROUNDING)][0]
        if high == math.inf:
            raise ValueError(f"{name} must hold numbers of at least {low:g}, but got {wrong:g}.")
        kind = "probabilities" if low == 0 else "labels"
        raise ValueError(f"{name} must hold {kind} in [{low:g}, {high:g}], but got {wrong:g}.")


def _check_classes(name: str, array: NDArray[Any], prediction_shape: tuple[int, ...]) -> NDArray[Any]:
    rows, classes = prediction_shape[:-1], prediction_shape[-1]
    if array.shape not in (rows, (*rows, 1)):
        raise ValueError(
            f"{name} must hold one class number for each prediction, shape {rows}, but got shape {array.shape}"
            + (": one-hot labels go with categorical_crossentropy." if array.shape == prediction_shape else ".")
        )
    with np.errstate(invalid="ignore"):
        numbers = array.astype(np.int64)
    if array.dtype.kind == "f" and not np.array_equal(numbers, array):
        raise ValueError(f"{name} must hold class numbers, but got the fraction {array[numbers != array][0]}.")
    if numbers.size and not (numbers.min() >= 0 and numbers.max() < classes):
        wrong = array.reshape(numbers.shape)[(numbers < 0) | (numbers >= classes)][0]
        hint = " A single unit goes with binary_crossentropy." if classes == 1 else ""
        raise ValueError(f"{name} must hold classes in [0, {classes}), but got {wrong}.{hint}")
    return np.ascontiguousarray(numbers).reshape(math.prod(rows))


def check_weights(name: str, value: Any, rows_shape: tuple[int, ...]) -> NDArray[Any] | None:
    """Weights as float64 of the shape of the rows; one weight a sample is spread over the sample's rows.

    Raises
    ------
    ValueError
        If the shape does not fit, or a weight is negative or not finite.
    """
    if value is None:
        return None
    weights = as_array(name, value).astype(np.float64)
    check_finite(name, weights)
    if weights.size and weights.min() < 0:
        raise ValueError(f"{name} must not be negative, but got {weights.min()}.")
    while weights.ndim > 1 and weights.shape[-1] == 1 and weights.shape != rows_shape[: weights.ndim]:
        weights = weights[..., 0]
    axes = len(rows_shape) - weights.ndim
    if axes < 0 or weights.shape != rows_shape[: weights.ndim]:
        raise ValueError(f"{name} must have one weight for each sample, shape {rows_shape}, but got {weights.shape}.")
    spread = weights.reshape(weights.shape + (1,) * axes)
    return np.ascontiguousarray(np.broadcast_to(spread, rows_shape))
