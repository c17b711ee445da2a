"""The state of an optimizer as a list of named variables, as Keras shows it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.optimizers.optimizer_variable import OptimizerVariable, check_array
from cbackprop.variable import Variable

if TYPE_CHECKING:
    from cbackprop.optimizers.state import OptimizerState
    from cbackprop.optimizers.state_methods import StateMethods

__all__ = ["assign_all", "shown_variables"]


def shown_variables(optimizer: StateMethods, state: OptimizerState) -> list[OptimizerVariable]:
    """The number of batches, the learning rate if it is constant, and the slots of all variables in a state."""

    def write_batches(value: NDArray[Any]) -> None:
        state.batches = int(value)

    def write_rate(value: NDArray[Any]) -> None:
        optimizer.learning_rate = float(value)  # type: ignore[assignment]

    found = [OptimizerVariable(optimizer.name, "iteration", lambda: np.int64(state.batches), write_batches)]
    if optimizer.has_constant_rate:
        found.append(
            OptimizerVariable(optimizer.name, "learning_rate", lambda: float(optimizer.learning_rate), write_rate)
        )
    for key, slots in state.slots.items():
        owner = key.path.replace("/", "_") if isinstance(key, Variable) else f"variable_{key}"
        for index, (name, array) in enumerate(zip(optimizer.memory_names, slots, strict=True)):
            if array is not None:
                read, write = state.slot_access(key, index)
                found.append(OptimizerVariable(optimizer.name, f"{owner}_{name}", read, write))
    return found


def assign_all(variables: list[OptimizerVariable], values: Iterable[Any]) -> None:
    """Give all variables the values of these arrays, in order.

    Raises
    ------
    TypeError, ValueError
        If their number differs, or one is not an array of numbers of the right shape. Nothing is changed then.
    """
    values = list(values)
    if len(values) != len(variables):
        raise ValueError(f"weights must hold {len(variables)} arrays, but got {len(values)}.")
    checked = [check_array(v.path, value, v.shape) for v, value in zip(variables, values, strict=True)]
    for variable, array in zip(variables, checked, strict=True):
        variable.assign(array)
