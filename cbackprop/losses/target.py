"""Check targets and sample weights, and convert them for the kernels."""

from __future__ import annotations

import inspect
import math
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.compiled.kernels.vectors import is_finite
from cbackprop.foreign_arrays import from_foreign
from cbackprop.held_memory import check_mapped
from cbackprop.validation import contiguous, type_name

__all__ = [
    "MISSING",
    "NotFiniteError",
    "TargetRules",
    "as_array",
    "as_given",
    "blocks",
    "check_alignable",
    "check_finite",
    "check_label_sequences",
    "check_prediction",
    "check_target",
    "check_weights",
    "several_ones",
    "without_repetition",
]

# How many numbers are checked at a time.
BLOCK = 2**16
# The class number that stands for a missing target; the same as in `src_pyx/engine/head.pyx`.
MISSING = -1
# The types for which compiled code checks that all numbers are finite.
PLAIN_FLOATS = (np.dtype("float32"), np.dtype("float64"))
# How far a target may exceed its limits. This allows for rounding in float32, where numbers should add up to 1.
ROUNDING = 1e-6


@dataclass(frozen=True)
class TargetRules:
    """The rules that targets must follow, besides their shape.

    Parameters
    ----------
    limits : tuple of float, optional
        The smallest and the largest target; others are refused.
    expected : tuple of float, optional
        The smallest and the largest target that make sense; others cause a warning.
    missing : bool, default False
        Whether NaN stands for a missing target.
    repeated : bool, default False
        Whether one target may serve all elements of a prediction's row.
    labels : frozenset of int, default ()
        Class numbers that are allowed although they are outside of the classes.
    any_label : bool, default False
        Whether any class number is allowed.
    label_sequences : bool, default False
        Whether targets must be sequences of class numbers from 1 on, padded with zeros at the end.
    one_label : bool, default False
        Whether a metric uses only the largest label of a row, so that several ones in a row cause a warning.
    """

    limits: tuple[float, float] | None = None
    expected: tuple[float, float] | None = None
    missing: bool = False
    repeated: bool = False
    labels: frozenset[int] = frozenset()
    any_label: bool = False
    one_label: bool = False
    label_sequences: bool = False


class NotFiniteError(ValueError):
    """A number is NaN or infinite.

    Parameters
    ----------
    name : str
        The name of the array.
    value : float
        The number.
    index : tuple of int
        Its index in the array.
    """

    def __init__(self, name: str, value: float, index: tuple[int, ...]) -> None:
        hint = " NaN often is a missing value: replace it, or leave out that sample." if np.isnan(value) else ""
        super().__init__(f"{name} must be finite, but got {value} at index {index}.{hint}")
        self.name, self.value, self.index = name, value, index

    def __reduce__(self) -> tuple[Any, ...]:
        return NotFiniteError, (self.name, self.value, self.index)

    def at(self, row: int) -> NotFiniteError:
        """The same error for a larger array that contains the checked one, starting at this row."""
        return NotFiniteError(self.name, self.value, (row, *self.index[1:]))


def as_array(name: str, value: Any, missing: bool = False) -> NDArray[Any]:
    """`value` as an array of real numbers. With `missing`, missing values of a table become NaN.

    Raises
    ------
    TypeError
        If it holds anything else.
    ValueError
        If its rows differ in length, or it is mapped from a file that has become shorter.
    """
    if isinstance(value, np.ndarray) and value.base is not None:
        check_mapped(name, value)
    if type(value) is np.ndarray and value.dtype.kind in "fiub":
        return value
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} must not be a masked array: its mask would be ignored. Fill it, or set weights to 0.")
    if isinstance(value, Mapping) and not isinstance(value, dict):  # NumPy would make an array of its keys
        raise TypeError(
            f"{name} must hold real numbers, but got an object of type {type_name(value)}, which holds values by name: "
            f"give one of them, or a dict of them, dict({name})."
        )
    native = from_foreign(name, value, missing)
    try:
        array = np.asarray(native)
    except ValueError as error:
        if isinstance(value, (list, tuple)):
            raise ValueError(f"{name} must be one array, but its parts differ in shape{_parts(value)}") from None
        raise ValueError(f"{name}, of type {type_name(value)}, cannot be read as an array: {error}") from None
    if array.dtype.kind not in "fiub":
        single = not array.ndim and array.dtype.kind in "OUS"
        got = f"an object of type {type_name(value)}" if single else f"dtype {array.dtype}"
        raise TypeError(f"{name} must hold real numbers, but got {got}.{_hint(value, array)}")
    return array


def _parts(value: Any) -> str:
    """The end of a message: two different shapes, and what to do."""
    shapes = [_shape(part) for part in value]
    if None in shapes:  # the shapes differ within this part
        end = _parts(value[shapes.index(None)])
    else:
        other = next((shape for shape in shapes if shape != shapes[0]), shapes[0])
        end = f": {shapes[0]} and {other}."
    if "Give x" in end or "pad" in end:
        return end
    if len(value) <= 3 and (() in shapes or all(hasattr(part, "__array__") for part in value)):  # not table rows
        return f"{end} Give x and y separately, as in fit(x, y); batches (x, y) come from a generator or a PyDataset."
    return f"{end} Use utils.pad_sequences to make rows equally long."


def _shape(value: Any) -> tuple[int, ...] | None:
    """The shape of a value as an array; ``None`` if it cannot be one."""
    try:
        return np.shape(value)
    except ValueError:
        return None


def _hint(value: Any, array: NDArray[Any]) -> str:
    """The end of a message: how to turn the value into an array of numbers."""
    if isinstance(value, (str, os.PathLike)):
        return " Read files first, for example with pandas.read_csv or utils.load_img."
    if hasattr(value, "toarray"):
        return " Convert a sparse matrix first, by its method toarray()."
    if inspect.isgeneratorfunction(value):
        return " Call it: it returns batches."
    if callable(value):
        return " Call it, and pass the result."
    if isinstance(value, Iterator):
        return " Only fit, evaluate and predict accept an iterator of batches (x, y), as x alone."
    if array.dtype.kind in "OUS" and array.ndim:
        names = array.size and isinstance(array.flat[0], (str, bytes))
        classes = " Convert names of classes to numbers: numpy.unique(names, return_inverse=True)[1]."
        return " If all values are numbers, convert it: astype('float32')." + (classes if names else "")
    return ""


def check_finite(name: str, array: NDArray[Any], missing: bool = False) -> None:
    """Refuse infinity, and NaN unless it stands for `missing` values."""
    if array.dtype.kind != "f" or _surely_finite(array):
        return
    for first, block in blocks(without_repetition(array)):
        bad = np.isinf(block) if missing else ~np.isfinite(block)
        if bad.any():
            where = tuple(int(i) for i in np.argwhere(bad)[0])
            raise NotFiniteError(name, block[where], (first + where[0], *where[1:]) if where else where)


def _surely_finite(array: NDArray[Any]) -> bool:
    """Whether a quick check proves that all numbers are finite. It nearly always does."""
    if array.dtype in PLAIN_FLOATS and array.flags.c_contiguous and array.flags.aligned:
        return is_finite(array)
    array = without_repetition(array)
    with np.errstate(over="ignore", invalid="ignore"):  # a sum is finite only if every term is
        total = array.sum(dtype=array.dtype.newbyteorder("=") if array.dtype.itemsize > 2 else np.float32)
    return bool(np.isfinite(total))


def without_repetition(array: NDArray[Any]) -> NDArray[Any]:
    """A view without repeated elements, for arrays that were broadcast to more than memory holds.

    The index of a number in the view is that of its first occurrence in the array.
    """
    axes = zip(array.strides, array.shape, strict=True)
    return array[tuple(slice(0, 1) if stride == 0 and size else slice(None) for stride, size in axes)]


def blocks(array: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    """Parts of an array, each with the number of its first row.

    A broadcast view can be much larger than its memory, so copies must be made of one part at a time.
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
        If they are not real numbers.
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


def as_given(name: str, value: Any, prediction_shape: tuple[int, ...], dtype: str | None) -> NDArray[Any]:
    """Targets of any shape, as floats of `dtype`, with samples along the first axis. NaN and infinity are allowed.

    Without a `dtype` they are not copied. If predictions are (..., 1) and targets lack only that last axis, it is
    added, so that NumPy does not broadcast them by mistake.

    Raises
    ------
    TypeError
        If they are not real numbers.
    """
    array = as_array(name, value)
    if array.shape == prediction_shape[:-1] and prediction_shape[-1:] == (1,):
        array = array[..., np.newaxis]
    if dtype is None:
        return array
    with np.errstate(over="ignore"):
        return contiguous(array, dtype).reshape(array.shape)


def check_label_sequences(name: str, array: NDArray[Any], prediction_shape: tuple[int, ...]) -> None:
    """Refuse targets that are not sequences of class numbers from 1 on, padded with zeros at the end.

    Raises
    ------
    ValueError
        If they are not (samples, labels), or contain anything else.
    """
    classes = prediction_shape[-1]
    if array.ndim != 2 or len(array) != prediction_shape[0]:
        raise ValueError(
            f"{name} must hold a row of labels for each sample, shape ({prediction_shape[0]}, labels), but got shape "
            f"{array.shape}."
        )
    wrong = ~((array >= 0) & (array < classes) & (array == np.floor(array)))
    if wrong.any():
        raise ValueError(f"{name} must hold class numbers in [0, {classes}), but got {array[wrong][0]}.")
    late = (array[:, 1:] != 0) & (array[:, :-1] == 0)
    if late.any():
        row = int(np.argwhere(late)[0, 0])
        raise ValueError(
            f"{name} must have its zeros, which mean no label, at the end of each row, but row {row} is "
            f"{array[row].tolist()}."
        )


def check_alignable(name: str, array: NDArray[Any], steps: int) -> None:
    """Refuse sequences of labels that do not fit into this many steps.

    Raises
    ------
    ValueError
        If one does not.
    """
    repeats = ((array[:, 1:] == array[:, :-1]) & (array[:, 1:] != 0)).sum(axis=1)
    counts = (array != 0).sum(axis=1)
    short = np.flatnonzero(counts + repeats > steps)
    if short.size:
        row = int(short[0])
        raise ValueError(
            f"{name}[{row}] has {counts[row]} labels, {repeats[row]} of them equal to the one before. It needs "
            f"{counts[row] + repeats[row]} steps, but predictions have {steps}."
        )


def check_target(
    name: str,
    value: Any,
    prediction_shape: tuple[int, ...],
    kind: str,
    dtype: str,
    rules: TargetRules = TargetRules(),
) -> NDArray[Any]:
    """Targets as (rows, width) of `dtype`, or class numbers as (rows,) of int64.

    Targets of the kind "half" are half as wide as the predictions, and are padded with zeros. Missing class numbers
    become `MISSING`.

    Raises
    ------
    ValueError
        If the shape does not match the prediction's, a class or value is out of range, or a value is not finite.
    """
    array = as_array(name, value, rules.missing)
    check_finite(name, array, rules.missing)
    if kind == "index":
        return _check_classes(name, array, prediction_shape, rules)
    if kind == "half":
        array = _filled_up(name, array, prediction_shape)
    if rules.repeated and array.shape in (prediction_shape[:-1], (*prediction_shape[:-1], 1)):
        array = np.broadcast_to(array.reshape(*prediction_shape[:-1], 1), prediction_shape)
    if array.shape == prediction_shape[:-1] and prediction_shape[-1] == 1:
        array = array.reshape(prediction_shape)
    if array.shape != prediction_shape:
        hint = _class_hint(array, prediction_shape)
        raise ValueError(
            f"{name} must have the shape of the predictions, {prediction_shape}, but got {array.shape}.{hint}"
        )
    with np.errstate(over="ignore"):
        checked = contiguous(array, dtype).reshape(math.prod(array.shape[:-1]), prediction_shape[-1])
    if array.dtype.itemsize > checked.dtype.itemsize:
        check_finite(name, checked, rules.missing)
    if rules.limits is not None and (wrong := _beyond(checked, rules.limits)) is not None:
        raise ValueError(f"{name} must hold {_expected(rules.limits)}, but got {wrong:g}.")
    if rules.expected is not None and (wrong := _beyond(checked, rules.expected)) is not None:
        warnings.warn(
            f"{name} holds {wrong:g}, but a loss or a metric expects {_expected(rules.expected)}. The formula is used "
            "anyway, as in Keras, but the targets may be wrong.",
            stacklevel=4,
        )
    if rules.one_label and (several := several_ones(checked)) is not None:
        warnings.warn(
            f"The metric 'accuracy' compares the largest label of a row with the largest prediction, but {several}. "
            "If several labels can be true, use 'binary_accuracy'.",
            stacklevel=4,
        )
    return checked


def several_ones(rows: NDArray[Any]) -> str | None:
    """What is wrong with rows of 0 and 1 as one-hot labels; ``None`` if nothing is, or if they are probabilities."""
    plain = ((rows == 0) | (rows == 1)).all(axis=1)
    counts = rows.sum(axis=1)
    if (plain & (counts > 1)).any():
        return "rows of y have several ones"
    return "some rows of y are all zeros" if (plain & (counts == 0)).any() else None


def _filled_up(name: str, array: NDArray[Any], prediction_shape: tuple[int, ...]) -> NDArray[Any]:
    """Targets half as wide as the predictions, padded with zeros."""
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
    """The end of a message: what to do if targets with the wrong shape look like class numbers."""
    rows, classes = prediction_shape[:-1], prediction_shape[-1]
    fits = array.size > 0 and array.dtype.kind in "iub" and array.shape in (rows, (*rows, 1))
    if not fits or without_repetition(array).max() >= classes:
        return ""
    return (
        " For class numbers use losses and metrics named sparse_..., or convert them to rows: utils.to_categorical(y, "
        f"{classes})."
    )


def _beyond(array: NDArray[Any], limits: tuple[float, float]) -> float | None:
    """The first number outside of the limits; ``None`` if there is none."""
    low, high = limits
    array = without_repetition(array)
    wrong = (array < low - ROUNDING) | (array > high + ROUNDING)
    return float(array[wrong][0]) if wrong.any() else None


def _expected(limits: tuple[float, float]) -> str:
    low, high = limits
    if high == math.inf:
        return f"numbers of at least {low:g}"
    return f"{'probabilities' if low == 0 else 'labels'} in [{low:g}, {high:g}]"


def _check_classes(
    name: str, array: NDArray[Any], prediction_shape: tuple[int, ...], rules: TargetRules
) -> NDArray[Any]:
    rows, classes = prediction_shape[:-1], prediction_shape[-1]
    if array.shape not in (rows, (*rows, 1)):
        raise ValueError(
            f"{name} must hold one class number for each prediction, shape {rows}, but got shape {array.shape}"
            + (": one-hot labels go with categorical_crossentropy." if array.shape == prediction_shape else ".")
        )
    if rules.missing and array.dtype.kind == "f":
        array = np.where(np.isnan(array), MISSING, array)
    with np.errstate(invalid="ignore"):
        numbers = array.astype(np.int64)
    if array.dtype.kind == "f" and not np.array_equal(numbers, array):
        raise ValueError(f"{name} must hold class numbers, but got the fraction {array[numbers != array][0]}.")
    if not rules.any_label and numbers.size and not (numbers.min() >= 0 and numbers.max() < classes):
        allowed = [*rules.labels, *([MISSING] if rules.missing else [])]
        outside = ((numbers < 0) | (numbers >= classes)) & ~np.isin(numbers, allowed)
        if not outside.any():
            return contiguous(numbers).reshape(math.prod(rows))
        wrong = array.reshape(numbers.shape)[outside][0]
        hint = " A single unit goes with binary_crossentropy." if classes == 1 else ""
        raise ValueError(f"{name} must hold classes in [0, {classes}), but got {wrong}.{hint}")
    return contiguous(numbers).reshape(math.prod(rows))


def check_weights(name: str, value: Any, rows_shape: tuple[int, ...], width: int | None = None) -> NDArray[Any] | None:
    """Weights as float64 in the shape of the rows. The weight of a sample is repeated for its rows.

    If a `width` is given, each element may have its own weight; then the result has the shape (rows..., width).

    Raises
    ------
    ValueError
        If the shape does not match, or a weight is not finite.
    """
    if value is None:
        return None
    weights = as_array(name, value).astype(np.float64)
    check_finite(name, weights)
    if width not in (None, 1) and weights.shape == (*rows_shape, width):
        return contiguous(weights)
    if rows_shape and weights.ndim == len(rows_shape) + 1 and weights.shape[0] == 1 != rows_shape[0]:
        weights = weights[0]
    while weights.ndim > 1 and weights.shape[-1] == 1 and weights.shape != rows_shape[: weights.ndim]:
        weights = weights[..., 0]
    if weights.ndim == len(rows_shape) and 1 in weights.shape:
        one_or_all = all(have in (1, want) for have, want in zip(weights.shape, rows_shape, strict=True))
        weights = np.broadcast_to(weights, rows_shape) if one_or_all else weights
    axes = len(rows_shape) - weights.ndim
    if axes < 0 or weights.shape != rows_shape[: weights.ndim]:
        raise ValueError(f"{name} must have one weight for each sample, shape {rows_shape}, but got {weights.shape}.")
    spread = weights.reshape(weights.shape + (1,) * axes)
    return contiguous(np.broadcast_to(spread, rows_shape))
