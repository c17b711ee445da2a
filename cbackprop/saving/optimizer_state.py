"""What an optimizer remembers, for files."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["get_state", "set_state"]


def get_state(optimizer: Any, variables: list[Any]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Plain numbers, and arrays by "index of the variable/name of the slot"."""
    rate = optimizer.learning_rate
    numbers = {
        "class_name": type(optimizer).__name__,
        "iterations": optimizer.iterations,
        "learning_rate": float(rate) if isinstance(rate, (int, float)) else None,
    }
    arrays = {
        f"{index}/{name}": slot
        for index, variable in enumerate(variables)
        for name, slot in zip(optimizer.slot_names, optimizer.slots.get(variable, ()), strict=False)
    }
    return numbers, arrays


def set_state(optimizer: Any, variables: list[Any], numbers: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    """Take over what `get_state` returned.

    Raises
    ------
    TypeError, ValueError, KeyError
        If it is damaged; nothing is changed then.
    """
    slots = {}
    for index, variable in enumerate(variables):
        names = [f"{index}/{name}" for name in optimizer.slot_names]
        found = [arrays.pop(name) for name in names if name in arrays]
        if found and len(found) != len(names):
            raise ValueError(f"the state of the optimizer lacks a part for {variable.path!r}")
        for slot in found:
            if slot.shape != variable.shape or slot.dtype != variable.dtype:
                raise ValueError(f"the state of the optimizer for {variable.path!r} has another shape or dtype")
        if found:
            slots[variable] = found
    if arrays:
        raise ValueError(f"the state of the optimizer has a part {min(arrays)!r} that nothing is known of")
    iterations, rate = numbers["iterations"], numbers["learning_rate"]
    before = optimizer.iterations
    optimizer.iterations = iterations
    if rate is not None:
        try:
            optimizer.learning_rate = rate
        except (TypeError, ValueError):
            optimizer.iterations = before
            raise
    for variable, found in slots.items():
        _put(optimizer, variable, found)
    for variable in [variable for variable in variables if variable not in slots]:
        _put(optimizer, variable, [np.zeros(variable.shape, variable.dtype) for _ in optimizer.slot_names])


def _put(optimizer: Any, variable: Any, values: list[NDArray[Any]]) -> None:
    """Into the vectors of an engine that has them already, else to be found by one."""
    live = optimizer.slots.get(variable)
    if live is None:
        optimizer.slots[variable] = [value.copy() for value in values]
        return
    for slot, value in zip(live, values, strict=True):
        slot[...] = value
