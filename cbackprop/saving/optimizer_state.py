"""What an optimizer remembers, for files."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.saving.plain_arrays import join_arrays, split_arrays

__all__ = ["get_state", "set_state"]

# Before the names of arrays of a full-batch optimizer's search.
SEARCH = "search/"


def get_state(model: Any) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Plain numbers, and arrays by "number of the variable/name of the slot"."""
    optimizer = model.optimizer
    memory = optimizer.state_for(model)
    state = memory.listed(optimizer, model.variables)
    arrays = {name: value for name, value in state.items() if isinstance(value, np.ndarray)}
    numbers = {name: value for name, value in state.items() if name not in arrays}
    if memory.search is not None:
        found: dict[str, NDArray[Any]] = {}
        numbers["search"] = split_arrays(
            memory.search.get_state(model.variables), found, "What the optimizer remembers"
        )
        arrays |= {f"{SEARCH}{name}": array for name, array in found.items()}
    return {"class_name": type(optimizer).__name__} | numbers, arrays


def set_state(model: Any, numbers: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    """Let a model's optimizer take over what `get_state` returned.

    Raises
    ------
    TypeError, ValueError
        If it is damaged; nothing is changed then.
    """
    optimizer, variables = model.optimizer, model.variables
    memory = optimizer.state_for(model)
    search = _search(optimizer, numbers.get("search"), arrays, variables)
    numbers = {name: value for name, value in numbers.items() if name != "search"}
    arrays = {name: array for name, array in arrays.items() if not name.startswith(SEARCH)}
    state = {name: value for name, value in numbers.items() if name != "class_name"} | arrays
    # A rate of this optimizer's own is kept where the file has a schedule, and the other way round.
    if optimizer.has_constant_rate:
        state.setdefault("learning_rate", float(optimizer.learning_rate))
    else:
        state.pop("learning_rate", None)
    for number, variable in enumerate(variables):
        # A variable that has been trained since, and had not been before, starts again with nothing remembered.
        if variable in memory.slots and not any(name.startswith(f"{number}/") for name in arrays):
            slots = {name: optimizer.new_slot(name, variable.array, variable.path) for name in optimizer.memory_names}
            state |= {f"{number}/{name}": slot for name, slot in slots.items() if slot is not None}
    memory.restore(optimizer, state, variables)
    memory.search = search


def _search(optimizer: Any, state: Any, arrays: dict[str, NDArray[Any]], variables: list[Any]) -> Any:
    """What a full-batch optimizer remembers; ``None`` if that is nothing."""
    if state is None:
        return None
    search = optimizer.new_search()
    search.set_state(join_arrays(state, lambda name: arrays[f"{SEARCH}{name}"]), variables)
    return search
