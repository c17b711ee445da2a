"""Check targets and weights that are too large to copy: the engine reads the user's arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.losses.target import TargetRules, as_array, blocks, several_ones, without_repetition
from cbackprop.models.inputs import LARGE, is_readable

__all__ = ["is_kept", "keep_target", "keep_weights"]

Array = NDArray[Any]


def is_kept(array: Array, dtype: str) -> bool:
    """Whether a copy of targets would be large, and engines can read the array itself."""
    return array.size * np.dtype(dtype).itemsize > LARGE and is_readable(array)


def keep_target(array: Array, shape: tuple[int, ...], kind: str, dtype: str, rules: TargetRules) -> Array | None:
    """The array itself if a copy would be large and the targets are valid; else ``None``.

    Then `check_target` makes the copy, or raises an error.
    Parameters
    ----------
    array : ndarray
    shape : tuple of int
        The shape of the predictions.
    kind : {"values", "index", "half"}
        The form of the targets.
    dtype : {"float32", "float64"}
        The type of the model.
    rules : TargetRules
        The values that targets may have.
    """
    if rules.missing or rules.repeated:
        return None
    read = np.dtype(np.int64 if kind == "index" else dtype)
    rows = shape[:-1]
    fits = (rows, (*rows, 1)) if kind == "index" else (shape, *((rows,) if shape[-1] == 1 else ()))
    if kind == "half" or array.shape not in fits or array.size * read.itemsize <= LARGE or not is_readable(array):
        return None
    low, high = _limits(kind, shape, dtype, rules.limits)
    if rules.expected is not None and kind == "values":
        low, high = max(low, rules.expected[0]), min(high, rules.expected[1])
    # The engine does not check class numbers of its own type in contiguous memory, so these must not be the user's.
    if kind == "index" and array.dtype == read and array.flags.c_contiguous:
        return None
    distinct = without_repetition(array)
    if not all(_are_right(block, kind, low, high) for _, block in blocks(distinct)):
        return None
    return None if kind == "values" and rules.one_label and _have_several_ones(distinct, shape[-1]) else array


def keep_weights(value: Any, rows_shape: tuple[int, ...], dtype: str) -> Array | None:
    """The weights themselves, one for each row or sample, if a copy would be large and they are valid."""
    if value is None or math.prod(rows_shape) * 8 <= LARGE:
        return None
    array = as_array("sample_weight", value)
    each = array.shape in (rows_shape, (*rows_shape, 1))
    if not (each or array.shape == rows_shape[:1]) or not is_readable(array):
        return None
    most = float(np.finfo(dtype).max)
    if not all(_are_right(block, "values", -most, most) for _, block in blocks(without_repetition(array))):
        return None
    return array if each else np.broadcast_to(array.reshape(-1, *[1] * (len(rows_shape) - 1)), rows_shape)


def _limits(kind: str, shape: tuple[int, ...], dtype: str, limits: tuple[float, float] | None) -> tuple[float, float]:
    if kind == "index":
        return 0, shape[-1] - 1
    most = float(np.finfo(dtype).max)
    low, high = (-math.inf, math.inf) if limits is None else limits
    return max(low, -most), min(high, most)


def _have_several_ones(array: Array, width: int) -> bool:
    """Whether some rows of 0 and 1 are not one-hot. `check_target` explains that error."""
    rows = np.broadcast_to(array, (*array.shape[:-1], width))
    return any(several_ones(block.reshape(-1, width)) is not None for _, block in blocks(rows))


def _are_right(block: Array, kind: str, low: float, high: float) -> bool:
    """Whether all numbers are in [low, high], which excludes NaN, and are integers if they are classes."""
    inside = bool(((block >= low) & (block <= high)).all())
    return inside and (kind != "index" or block.dtype.kind != "f" or bool((np.rint(block) == block).all()))
