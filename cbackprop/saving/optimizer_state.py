"""Save and restore the state of an optimizer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.saving.plain_arrays import join_arrays, split_arrays

__all__ = ["get_state", "set_state"]

# The prefix of names of arrays of a full-batch optimizer's search.
SEARCH = "search/"


def get_state(model: Any) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The state as plain numbers, and arrays by "number of the variable/name of the slot"."""
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
    """Restore the state of a model's optimizer from the result of `get_state`.

    Raises
    ------
    TypeError, ValueError
        If the state is damaged; then nothing is changed.
    """
    optimizer, variables = model.optimizer, model.variables
    memory = optimizer.state_for(model)
    search = _search(optimizer, numbers.get("search"), arrays, variables)
    numbers = {name: value for name, value in numbers.items() if name != "search"}
    arrays = {name: array for name, array in arrays.items() if not name.startswith(SEARCH)}
    state = {name: value for name, value in numbers.items() if name != "class_name"} | arrays
    # If only one of the file and the optimizer has a schedule, the optimizer keeps its own learning rate.
    if optimizer.has_constant_rate:
        state.setdefault("learning_rate", float(optimizer.learning_rate))
    else:
        state.pop("learning_rate", None)
    for number, variable in enumerate(variables):
        # A variable that was first trained after the state was saved starts again without a state.
        if variable in memory.slots and not any(name.startswith(f"{number}/") for name in arrays):
            slots = {name: optimizer.new_slot(name, variable.array, variable.path) for name in optimizer.memory_names}
            state |= {f"{number}/{name}": slot for name, slot in slots.items() if slot is not None}
    memory.restore(optimizer, state, variables)
    memory.search = search


def _search(optimizer: Any, state: Any, arrays: dict[str, NDArray[Any]], variables: list[Any]) -> Any:
    """The state of a full-batch optimizer; ``None`` if there is none."""
    if state is None:
        return None
    search = optimizer.new_search()
    search.set_state(join_arrays(state, lambda name: arrays[f"{SEARCH}{name}"]), variables)
    return search
