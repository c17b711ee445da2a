"""Which of the arrays that a user passed belongs to which input of a model."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from cbackprop.models.inputs import is_sparse
from cbackprop.tensor import KerasTensor

__all__ = ["assign_inputs"]


def assign_inputs(x: Any, names: list[str], structure: Any) -> list[Any]:
    """What was given for each input: nested as the model's inputs are, in a flat list, or in a dict by name.

    Parameters
    ----------
    x : object
        As in `fit`.
    names : list of str
        Of the inputs.
    structure : KerasTensor, or nested lists and dicts of them
        As the model was given its inputs.

    Raises
    ------
    ValueError
        If number, names or nesting do not fit.

    Warns
    -----
    UserWarning
        If a dict holds more than the inputs: that is left out.
    """
    if isinstance(x, dict) and isinstance(structure, (KerasTensor, list, tuple)) and not _is_nested(structure):
        return _by_name(x, names, "x")
    if isinstance(x, dict) or (_is_nested(structure) and _matches(structure, x)):
        return _spread(structure, x, "x")
    return _in_order(x, names)


def _is_nested(structure: Any) -> bool:
    """Whether there are lists or dicts in a list."""
    return isinstance(structure, (list, tuple)) and any(isinstance(item, (list, tuple, dict)) for item in structure)


def _matches(structure: Any, x: Any) -> bool:
    """Whether x is nested like the structure, as far as lists and dicts go."""
    if isinstance(structure, dict):
        return isinstance(x, dict)
    if isinstance(structure, (list, tuple)):
        return (
            isinstance(x, (list, tuple))
            and len(x) == len(structure)
            and all(_matches(inner, item) for inner, item in zip(structure, x, strict=True))
        )
    return True


def _spread(structure: Any, x: Any, path: str) -> list[Any]:
    """The leaves of x in the order of those of the structure, along which it must be nested."""
    if isinstance(structure, dict):
        if not isinstance(x, dict):
            raise ValueError(f"{path} must be a dict with the keys {sorted(structure)}, but got {type(x).__name__}.")
        keys = sorted(structure)
        items = zip(keys, _by_name(x, keys, path), strict=True)
        return [leaf for key, item in items for leaf in _spread(structure[key], item, f"{path}[{key!r}]")]
    if isinstance(structure, (list, tuple)):
        if not isinstance(x, (list, tuple)) or len(x) != len(structure):
            got = f"{len(x)}" if isinstance(x, (list, tuple)) else f"{type(x).__name__}"
            raise ValueError(f"{path} must be a list of {len(structure)}, as the model's inputs are, but got {got}.")
        pairs = enumerate(zip(structure, x, strict=True))
        return [leaf for i, (inner, item) in pairs for leaf in _spread(inner, item, f"{path}[{i}]")]
    assert isinstance(structure, KerasTensor)
    return [x]


def _by_name(x: dict[str, Any], names: list[str], path: str) -> list[Any]:
    if not set(names) <= set(x):
        raise ValueError(f"{path} must have the keys {names}, but got {list(x)}.")
    more = [key for key in x if key not in names]
    if more:
        warnings.warn(
            f"{path} has the keys {list(x)}, but the model's inputs are {names}: {more} is left out.", stacklevel=2
        )
    return [x[name] for name in names]


def _in_order(x: Any, names: list[str]) -> list[Any]:
    """One array, or a list of them."""
    if len(names) == 1 and not (isinstance(x, (list, tuple)) and len(x) == 1 and _is_array(x[0])):
        return [x]
    if not isinstance(x, (list, tuple)):
        raise ValueError(f"x must be a list or dict of {len(names)} arrays ({names}), but got one.")
    if len(x) != len(names):
        raise ValueError(f"x must hold {len(names)} arrays ({names}), but got {len(x)}.")
    return list(x)


def _is_array(value: Any) -> bool:
    return is_sparse(value) or (hasattr(value, "__array__") and np.ndim(value) > 0)
