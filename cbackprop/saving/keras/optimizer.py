"""The state of optimizers, in the order of Keras's optimizer variables."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.saving import optimizer_state
from cbackprop.saving.keras.archive import KerasFile

__all__ = ["keras_optimizer_variables", "read_keras_optimizer"]

Array = NDArray[Any]

VARS = "optimizer/vars"
# Groups of slots by optimizer, in Keras's order. Within a group, Keras goes through the variables and lists all slots
# of the group for each.
GROUPS: dict[str, tuple[tuple[str, ...], ...]] = {
    "SGD": (("momentum",),),
    "Adam": (("m", "v"), ("largest_v",)),
    "AdamW": (("m", "v"), ("largest_v",)),
    "Adamax": (("momentum", "norm"),),
    "Nadam": (("momentum", "velocity"),),
    "Adadelta": (("accumulated_grad", "accumulated_delta_var"),),
    "Adagrad": (("accumulator",),),
    "RMSprop": (("velocity",), ("momentum",), ("average_gradient",)),
    "Ftrl": (("accumulator", "linear"),),
    "Lion": (("momentum",),),
    "Lamb": (("momentum", "velocity"),),
}
# Slots that any optimizer may have; they come first.
COMMON = (("average",), ("gradient_accumulator",))


def keras_optimizer_variables(model: Any) -> list[tuple[Array, str | None]] | None:
    """Keras's variables of the model's optimizer, each with its name in `optimizer_state` (``None`` if it has none).

    ``None`` for an optimizer that Keras does not have, or that stores its state in another form.
    """
    optimizer = model.optimizer
    if type(optimizer).__name__ not in GROUPS:
        return None
    numbers, arrays = optimizer_state.get_state(model)
    found: list[tuple[Array, str | None]] = [(np.array(numbers["batches"], "int32"), None)]
    if optimizer.has_constant_rate:
        found.append((np.array(optimizer.learning_rate, "float32"), None))
    for name, slot, variable in _slots(model):
        array = arrays.get(name)
        if array is None:
            array = optimizer.new_slot(slot, variable.array, variable.path)
        found.append((array, name))
    if type(optimizer).__name__ == "Nadam":
        found.append((_product_of_momenta(optimizer.beta_1, numbers["batches"]), None))
    return found


def _slots(model: Any) -> list[tuple[str, str, Any]]:
    """Name, slot and variable of the state that Keras would keep, in its order."""
    optimizer = model.optimizer
    number = {variable: index for index, variable in enumerate(model.variables)}
    groups = [*COMMON, *GROUPS[type(optimizer).__name__]]
    return [
        (f"{number[variable]}/{slot}", slot, variable)
        for group in groups
        if all(slot in optimizer.memory_names for slot in group)
        for variable in model.trainable_variables
        for slot in group
    ]


def _product_of_momenta(beta_1: float, steps: int) -> Array:
    """The product of Nadam's momenta of all steps so far."""
    momenta = beta_1 * (1 - 0.5 * 0.96 ** np.arange(1, steps + 1, dtype=float))
    return np.array(momenta.prod(), "float32")


def read_keras_optimizer(file: KerasFile, model: Any) -> None:
    """Restore the state of the model's optimizer from a file.

    Warns
    -----
    UserWarning
        If the state in the file does not match, or has another form here. The optimizer then starts without a state.
    """
    stored = {name[len(VARS) + 1 :]: name for name in file.datasets if name.startswith(f"{VARS}/")}
    if not stored or _is_new(file, stored):
        return
    kind = type(model.optimizer).__name__
    if kind not in GROUPS:
        warnings.warn(
            f"The state of {kind} in {file.path!r} has another form here, so the optimizer starts without a state.",
            stacklevel=5,
        )
        return
    expected = [slot for *_, slot in keras_optimizer_variables(model) or ()]
    arrays = {name: file.array(stored[str(i)]) for i, name in enumerate(expected) if name and str(i) in stored}
    shapes = {name: variable.shape for name, _, variable in _slots(model)}
    if len(stored) != len(expected) or any(arrays[name].shape != shape for name, shape in shapes.items()):
        warnings.warn(
            f"The state of {kind} in {file.path!r} does not fit the model, so the optimizer starts without a state.",
            stacklevel=5,
        )
        return
    numbers = {"class_name": kind, "batches": int(file.array(stored["0"]))}
    if model.optimizer.has_constant_rate:
        numbers["learning_rate"] = float(file.array(stored["1"]))
    try:
        optimizer_state.set_state(model, numbers, arrays)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file.path!r} does not fit the optimizer: {error}.") from error


def _is_new(file: KerasFile, stored: dict[str, str]) -> bool:
    """Whether the optimizer has taken no step yet. Then there is no state, and Keras may not have made its slots."""
    batches = file.array(stored["0"]) if "0" in stored else np.array(1)
    return batches.shape == () and not batches
