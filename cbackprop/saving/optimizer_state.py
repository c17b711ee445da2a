"""What an optimizer remembers, for files."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["get_state", "set_state"]


def get_state(model: Any) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Plain numbers, and arrays by "number of the variable/name of the slot"."""
    optimizer = model.optimizer
    state = optimizer.state_for(model).listed(optimizer, model.variables)
    arrays = {name: value for name, value in state.items() if isinstance(value, np.ndarray)}
    numbers = {name: value for name, value in state.items() if name not in arrays}
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
