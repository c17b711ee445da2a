"""Weights of samples by the classes of their targets."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.losses.target import as_array, several_ones, without_repetition
from cbackprop.validation import ArgumentTypeError, check_number

__all__ = ["check_fits", "class_weights_of", "product", "weights_by_class"]

Array = NDArray[Any]


def class_weights_of(class_weight: Any, names: list[str], structure: Any = None) -> list[Any]:
    """The class weights of each output: a dict by class, a list with such a dict for each label, or ``None``.

    For several outputs, `class_weight` is a dict by their names, or a list. Outputs that are not named get ``None``.

    Raises
    ------
    TypeError
        If `class_weight` is not a dict or a list.
    ValueError
        If it does not fit the outputs.
    """
    if class_weight is None:
        return [None] * len(names)
    if not isinstance(class_weight, (dict, list, tuple)):
        raise TypeError(
            "class_weight must be a dict of weights by class, or a list of them, one for each label; for several "
            f"outputs a dict or list of these. It is of type {type(class_weight).__name__}."
        )
    known = sorted(structure) if isinstance(structure, dict) else names
    if isinstance(class_weight, dict) and any(isinstance(key, str) for key in class_weight):
        unknown = [key for key in class_weight if key not in known]
        if unknown and len(names) == 1:
            text = next(key for key in class_weight if isinstance(key, str))
            raise ArgumentTypeError(
                f"class_weight has a key {text!r}, but its keys must be class numbers: {{0: 1.0, 1: 2.0}}."
            )
        if unknown:
            raise ValueError(f"class_weight has a key {unknown[0]!r}, but the model's outputs are {known}.")
        return [class_weight.get(key) for key in known]
    if len(names) == 1:
        return [class_weight]
    if isinstance(class_weight, dict):
        raise ValueError(
            f"class_weight must be a dict by the names of outputs, {known}, or a list, as the model has "
            f"{len(names)} of them: {{{known[0]!r}: {{0: 1.0, 1: 2.0}}}}."
        )
    if len(class_weight) != len(names):
        raise ValueError(
            f"class_weight must have {len(names)} entries, one for each output, but got {len(class_weight)}."
        )
    return list(class_weight)


def weights_by_class(class_weight: Any, target: Any, need: Any, size: int) -> Array:
    """The weight of each row by its class, (samples, rows...), or of each element by its label, (samples, ..., width).

    Classes that are not listed weigh 1.

    Raises
    ------
    TypeError, ValueError
        If weights are not numbers, or targets are not classes.
    """
    array, width = as_array("y", target), need.shape[-1]
    if isinstance(class_weight, (list, tuple)):
        return _by_label(class_weight, array, need, size)
    if not isinstance(class_weight, dict):
        raise TypeError(f"class_weight must be a dict of weights by class, but got {type(class_weight).__name__}.")
    wide = array.shape == (size, *need.shape) and width > 1
    # The loss of a regression does not tell the number of classes, so the largest weighted class does.
    limited = width > 1 or "index" in need.kinds or need.rules.limits or need.rules.expected
    weighed = [] if limited else [int(key) + 1 for key in class_weight if _is_class(key)]
    table = _table(class_weight, max([width, 2, *weighed]), "class_weight")
    if not wide:
        return table[_classes(array, len(table), missing=need.rules.missing)].reshape(size, *need.shape[:-1])
    rows = array.reshape(-1, width)
    several = several_ones(rows)
    # All-zero rows are labels only if the loss takes labels. In a regression they can be values.
    of_labels = bool(need.rules.limits or need.rules.expected) or bool((rows.sum(axis=1) > 1).any())
    if several is not None and need.elementwise and of_labels:
        warnings.warn(
            f"class_weight weighs labels here, since {several}: the weight of a label's number applies to all its "
            "elements. To weigh its 0s and 1s, give a list of dicts, one for each label: [{0: 1.0, 1: 2.0}, ...].",
            stacklevel=3,
        )
        return np.broadcast_to(table[:width], (size, *need.shape))
    if several is not None:
        warnings.warn(
            f"class_weight uses the class of a row's largest label (the first, if several are equal), but {several}. "
            "Use sample_weight instead, or a loss for labels such as binary_crossentropy.",
            stacklevel=3,
        )
    return table[rows.argmax(axis=1)].reshape(size, *need.shape[:-1])


def _by_label(class_weight: Any, array: Array, need: Any, size: int) -> Array:
    """The weight of each element. There is a dict for each label."""
    width = need.shape[-1]
    if class_weight and all(isinstance(entry, (int, float, np.number)) for entry in class_weight):
        by_class = {number: float(weight) for number, weight in enumerate(class_weight)}
        raise ArgumentTypeError(
            f"class_weight must be a dict of weights by class, but got a list of numbers: give {by_class}."
        )
    if not need.elementwise:
        raise ValueError(
            "class_weight is a list with one dict for each label, but the loss has one value for each row: use a dict, "
            "or a loss such as binary_crossentropy."
        )
    if len(class_weight) != width:
        raise ValueError(f"class_weight must have {width} entries, one for each label, but got {len(class_weight)}.")
    columns = array.reshape(-1, width)
    weights = np.ones(columns.shape)
    for label, table in enumerate(class_weight):
        if table is None:
            continue
        if not isinstance(table, dict):
            raise TypeError(f"class_weight[{label}] must be a dict, but got {type(table).__name__}.")
        values = _table(table, max([2, *(int(key) + 1 for key in table if _is_class(key))]), f"class_weight[{label}]")
        weights[:, label] = values[_classes(columns[:, label], len(values), beyond=True, missing=need.rules.missing)]
    return weights.reshape(size, *need.shape)


def _is_class(key: Any) -> bool:
    """Whether a key is a class number, which may be a float."""
    return isinstance(key, (int, float, np.integer, np.floating)) and bool(float(key).is_integer() and key >= 0)


def _table(weights: dict[Any, Any], count: int, name: str) -> Array:
    """Weights by class number, 1 by default. The last entry, 1, is for targets that are not classes."""
    table = np.ones(count + 1)
    for key, weight in weights.items():
        if not _is_class(key) or key >= count:
            raise ValueError(f"{name} has class {key!r}, but classes are in [0, {count}).")
        table[int(key)] = check_number(f"{name}[{key}]", weight)
    return table


def _classes(array: Array, size: int, beyond: bool = False, missing: bool = False) -> NDArray[np.int64]:
    """Indices into a table of this size. Its last entry is for classes `beyond` it, and for missing targets."""
    flat = array.reshape(-1).astype(np.float64)
    gone = np.isnan(flat) if missing else np.zeros(flat.shape, bool)
    numbers = np.rint(np.where(gone, 0, flat)).astype(np.int64)
    outside = (numbers < 0) | (numbers >= size - 1)
    if outside.any() and not beyond:
        raise ValueError(f"class_weight needs targets that are classes in [0, {size - 1}).")
    return np.where(gone | outside, size - 1, numbers)


def product(weights: Array | None, others: Array) -> Array:
    """Multiply weights of rows or elements by others."""
    if weights is None:
        return others
    if weights.ndim < others.ndim:
        weights = weights[..., np.newaxis]
    elif others.ndim < weights.ndim:
        others = others[..., np.newaxis]
    return weights * others


def check_fits(name: str, weights: Array, dtype: str) -> None:
    """Refuse sample weights that are infinite in the model's type: they would turn the model's weights to NaN."""
    most = np.finfo(dtype).max
    largest = np.abs(without_repetition(weights)).max(initial=0)
    if largest > most:
        raise ValueError(f"{name} must be at most {most:.3g}, the largest {dtype}, but got {largest:.3g}.")
