"""Assign the arrays that a user passed to the inputs of a model."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from cbackprop.models.inputs import is_sparse
from cbackprop.tensor import KerasTensor, flatten, is_dict, is_optional
from cbackprop.validation import in_place_of_several

__all__ = ["assign_inputs"]


def assign_inputs(x: Any, names: list[str], structure: Any, warns: bool = True) -> list[Any]:
    """The array for each input; ``None`` for inputs that are left out.

    Parameters
    ----------
    x : object
        Nested like the model's inputs, or a flat list, or a dict by name.
    names : list of str
        The names of the inputs.
    structure : KerasTensor, or nested lists and dicts of them
        The inputs as they were given to the model.
    warns : bool, default True
        Whether to warn about likely mistakes.

    Raises
    ------
    ValueError
        If the number, names or nesting do not fit, or a list is given for a dict whose keys are not sorted.

    Warns
    -----
    UserWarning
        If a dict has additional keys, which are ignored, or a flat list is given for a dict or a nested list.
    """
    if is_dict(x) and isinstance(structure, (KerasTensor, list, tuple)) and not _is_nested(structure):
        return _by_name(x, names, list(map(is_optional, flatten(structure))), "x", warns)
    if is_dict(x) or (_is_nested(structure) and _matches(structure, x)):
        return _spread(structure, x, "x", warns)
    given = [_unwrapped(item, tensor) for item, tensor in zip(_in_order(x, names), flatten(structure), strict=True)]
    if isinstance(structure, dict) or _is_nested(structure):
        _check_order(structure, names, warns)
    return given


def _check_order(structure: Any, names: list[str], warns: bool) -> None:
    """Check that the order of a flat list for nested inputs is unambiguous, and warn."""
    message = (
        f"The structure of `inputs` doesn't match the expected structure: the model's inputs are {_shown(structure)}, "
    )
    if isinstance(structure, dict) and list(structure) != sorted(structure):
        raise ValueError(f"{message}but got no dict. Give a dict: the keys of this one have no unambiguous order.")
    if warns:
        warnings.warn(f"{message}but got a flat list, which is read in the order {names}.", stacklevel=3)


def _shown(structure: Any) -> Any:
    """The structure with the names of the tensors."""
    if isinstance(structure, dict):
        return {key: _shown(item) for key, item in structure.items()}
    if isinstance(structure, (list, tuple)):
        return [_shown(item) for item in structure]
    return structure.name


def _is_nested(structure: Any) -> bool:
    """Whether `structure` is a list that contains lists or dicts."""
    return isinstance(structure, (list, tuple)) and any(isinstance(item, (list, tuple, dict)) for item in structure)


def _matches(structure: Any, x: Any) -> bool:
    """Whether the lists and dicts in `x` are nested like those in `structure`."""
    if isinstance(structure, dict):
        return is_dict(x)
    if isinstance(structure, (list, tuple)):
        return (
            isinstance(x, (list, tuple))
            and len(x) == len(structure)
            and all(_matches(inner, item) for inner, item in zip(structure, x, strict=True))
        )
    return True


def _spread(structure: Any, x: Any, path: str, warns: bool) -> list[Any]:
    """The leaves of `x`, in the order of the leaves of `structure`. Both must be nested alike."""
    if x is None:
        return [None] * len(flatten(structure))
    if isinstance(structure, dict):
        if not is_dict(x):
            raise ValueError(f"{path} must be a dict with the keys {sorted(structure)}, but got {type(x).__name__}.")
        keys = sorted(structure)
        optional = [all(map(is_optional, flatten(structure[key]))) for key in keys]
        items = zip(keys, _by_name(x, keys, optional, path, warns), strict=True)
        return [leaf for key, item in items for leaf in _spread(structure[key], item, f"{path}[{key!r}]", warns)]
    if isinstance(structure, (list, tuple)):
        if not isinstance(x, (list, tuple)) or len(x) != len(structure):
            got = f"{len(x)}" if isinstance(x, (list, tuple)) else f"{type(x).__name__}"
            raise ValueError(f"{path} must be a list of {len(structure)}, as the model's inputs are, but got {got}.")
        pairs = enumerate(zip(structure, x, strict=True))
        return [leaf for i, (inner, item) in pairs for leaf in _spread(inner, item, f"{path}[{i}]", warns)]
    assert isinstance(structure, KerasTensor)
    return [x]


def _by_name(x: dict[str, Any], names: list[str], optional: list[bool], path: str, warns: bool) -> list[Any]:
    needed = [name for name, leave in zip(names, optional, strict=True) if not leave]
    if not set(needed) <= set(x):
        targets = [key for key in x if key in ("y", "label", "labels", "target", "targets")]
        hint = f" Targets are not an input: give {targets[0]!r} separately, as y." if targets else ""
        raise ValueError(f"{path} must have the keys {needed}, but got {list(x)}.{hint}")
    more = [key for key in x if key not in names]
    if more and warns:
        warnings.warn(
            f"The structure of `inputs` doesn't match the expected structure: {path} has the keys {list(x)}, but the "
            f"model's inputs are {names}: {more} is ignored.",
            stacklevel=3,
        )
    return [x.get(name) for name in names]


def _in_order(x: Any, names: list[str]) -> list[Any]:
    """An array for one input, or a list of arrays, as a list."""
    if len(names) == 1 and not (isinstance(x, (list, tuple)) and len(x) == 1 and (x[0] is None or _is_array(x[0]))):
        return [x]
    if not isinstance(x, (list, tuple)):
        raise ValueError(
            f"x must be a list or dict of {len(names)} arrays ({names}), but got {in_place_of_several(x)}."
        )
    if len(x) != len(names):
        raise ValueError(f"x must hold {len(names)} arrays ({names}), but got {len(x)}.")
    return list(x)


def _unwrapped(value: Any, tensor: KerasTensor) -> Any:
    """The array in a list of one, if it has as many axes as the input; any other value unchanged."""
    alone = isinstance(value, (list, tuple)) and len(value) == 1 and _is_array(value[0])
    return value[0] if alone and len(value[0].shape) == len(tensor.shape) else value


def _is_array(value: Any) -> bool:
    if isinstance(value, KerasTensor) or is_sparse(value):
        return True
    return hasattr(value, "__array__") and np.ndim(value) > 0
