"""What an optimizer remembers, in the order in which Keras lists its variables."""

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
# Slots by optimizer, as Keras makes them: of each group one variable after the other, each with all slots of the group.
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
# Those that every optimizer may have come first.
COMMON = (("average",), ("gradient_accumulator",))


def keras_optimizer_variables(model: Any) -> list[tuple[Array, str | None]] | None:
    """Keras's variables of the model's optimizer, each with its name in `optimizer_state`, if it has one.

    ``None`` for an optimizer whose memory has another form in Keras, or that Keras does not have.
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
    """Name, slot and variable of everything that Keras would remember, in its order."""
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
    """What Nadam's first step divides by: the product of the momenta of all steps."""
    momenta = beta_1 * (1 - 0.5 * 0.96 ** np.arange(1, steps + 1, dtype=float))
    return np.array(momenta.prod(), "float32")


def read_keras_optimizer(file: KerasFile, model: Any) -> None:
    """Let the model's optimizer remember what the one in the file did.

    Warns
    -----
    UserWarning
        If the file has something else than that, or Keras's optimizer remembers other things; the model's is new then.
    """
    stored = {name[len(VARS) + 1 :]: name for name in file.datasets if name.startswith(f"{VARS}/")}
    if not stored or _is_new(file, stored):
        return
    kind = type(model.optimizer).__name__
    if kind not in GROUPS:
        warnings.warn(f"What {kind} remembers in {file.path!r} has another form here: it starts anew.", stacklevel=5)
        return
    expected = [slot for *_, slot in keras_optimizer_variables(model) or ()]
    arrays = {name: file.array(stored[str(i)]) for i, name in enumerate(expected) if name and str(i) in stored}
    shapes = {name: variable.shape for name, _, variable in _slots(model)}
    if len(stored) != len(expected) or any(arrays[name].shape != shape for name, shape in shapes.items()):
        warnings.warn(f"What {kind} remembers in {file.path!r} does not fit the model: it starts anew.", stacklevel=5)
        return
    numbers = {"class_name": kind, "batches": int(file.array(stored["0"]))}
    if model.optimizer.has_constant_rate:
        numbers["learning_rate"] = float(file.array(stored["1"]))
    try:
        optimizer_state.set_state(model, numbers, arrays)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file.path!r} does not fit the optimizer: {error}.") from error


def _is_new(file: KerasFile, stored: dict[str, str]) -> bool:
    """Whether the optimizer has taken no step: there is nothing to remember, and Keras may not have made its slots."""
    batches = file.array(stored["0"]) if "0" in stored else np.array(1)
    return batches.shape == () and not batches
