"""Assign arguments of `compile` to the outputs of a model. An argument is one value, a list, a dict, or nested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["LossKeyError", "is_deep", "is_nested", "leaves_of", "parts_of", "path_names", "spread"]


class LossKeyError(KeyError, ValueError):
    """A key of `loss` does not belong to any output."""

    def __str__(self) -> str:
        return str(self.args[0])


def is_nested(value: Any) -> bool:
    """Whether `value` is a list or a dict, but not a config."""
    return isinstance(value, (list, tuple)) or (isinstance(value, dict) and "class_name" not in value)


def parts_of(structure: Any) -> list[tuple[Any, Any]]:
    """The keys and items of a list or dict of outputs, in the order of the model's outputs."""
    if isinstance(structure, dict):
        return [(key, structure[key]) for key in sorted(structure)]
    return list(enumerate(structure))


def leaves_of(structure: Any) -> int:
    """The number of outputs in a structure."""
    return sum(leaves_of(item) for _, item in parts_of(structure)) if is_nested(structure) else 1


def is_deep(structure: Any) -> bool:
    """Whether a structure has lists or dicts in lists or dicts."""
    return is_nested(structure) and any(is_nested(item) for _, item in parts_of(structure))


def path_names(structure: Any, names: Sequence[str]) -> list[str]:
    """The name of each output in logs. For nested outputs it is a path such as ``"a/b"``."""
    if not is_deep(structure):
        return list(names)
    remaining = iter(names)

    def walk(part: Any, path: list[str]) -> list[str]:
        found = []
        for key, item in parts_of(part):
            if is_nested(item):
                found += walk(item, [*path, str(key)])
            else:
                name = next(remaining)
                found.append("/".join([*path, str(key) if isinstance(part, dict) else name]))
        return found

    return walk(structure, [])


def spread(argument: str, value: Any, names: Sequence[str], structure: Any, default: Any = None) -> list[Any]:
    """An entry for each output, in order.

    Raises
    ------
    ValueError
        If a list does not have as many entries as there are outputs, or a dict has unknown keys. For `loss` and a dict
        of outputs the error is also a KeyError, as in Keras.
    """
    if not is_nested(value):
        return [default if value is None else value] * leaves_of(structure)
    if isinstance(value, dict):
        if not isinstance(structure, dict):
            return _by_name(argument, value, names, default)
        for key in value:
            if key not in structure:
                raise _unknown_key(argument, key, sorted(structure))
        items = [(value.get(key), item, key) for key, item in parts_of(structure)]
    else:
        count = leaves_of(structure)
        flat = not any(is_nested(entry) for entry in value)
        if not is_nested(structure):
            if argument in ("y", "sample_weight"):
                return [value]
            if argument == "loss_weights" and len(value) == 1:
                return [value[0]]
            return [value[0] if len(value) == 1 else value]
        if flat and len(value) == count:
            return [default if entry is None else entry for entry in value]
        if len(value) != len(structure):
            raise ValueError(f"{argument} must have {count} entries, one for each output, but got {len(value)}.")
        items = [(entry, item, key) for entry, (key, item) in zip(value, parts_of(structure), strict=True)]
    found, first = [], 0
    for entry, item, _ in items:
        inner = names[first : first + leaves_of(item)]
        found += spread(argument, entry, inner, item, default)
        first += len(inner)
    return found


def _by_name(argument: str, value: dict[str, Any], names: Sequence[str], default: Any) -> list[Any]:
    """The entries of a dict by the names of outputs, for any structure of outputs."""
    for key in value:
        if key not in names:
            raise _unknown_key(argument, key, list(names), by_name=True)
    found = (value.get(name, default) for name in names)
    return [entry[0] if isinstance(entry, (list, tuple)) and len(entry) == 1 else entry for entry in found]


def _unknown_key(argument: str, key: Any, known: list[str], by_name: bool = False) -> Exception:
    """The error for an unknown key. It uses Keras's words, which scripts may look for, and lists the known keys."""
    there = f"{argument} has a key {key!r}, but the model's outputs are {known}."
    if "loss" not in argument:
        return ValueError(f"Invalid `{argument}`: {there}")
    if by_name:
        return ValueError(f"{there} Expected keys {known}.")
    return LossKeyError(
        f"The path ({key!r},) in the `{argument}` argument, can't be found in either the model's output or in the "
        f"labels: {there}"
    )
