"""One step of an optimizer on arrays or variables, outside of training."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cbackprop import matrix_products
from cbackprop.compiled.optimizers.optimizer import SegmentList
from cbackprop.contract.segment import Segment
from cbackprop.optimizers.memories import Memories
from cbackprop.optimizers.state import OptimizerState, variables_of
from cbackprop.parameter_store import AtRest
from cbackprop.validation import ArgumentTypeError, type_name
from cbackprop.variable import Variable

if TYPE_CHECKING:
    from cbackprop.optimizers.optimizer import Optimizer

__all__ = ["check_variables", "split_pairs", "take_step"]

Array = NDArray[Any]

RIGHT_CALL = (
    "Call optimizer.apply(gradients, model.trainable_variables), or "
    "optimizer.apply_gradients(zip(gradients, model.trainable_variables))."
)


def split_pairs(grads_and_vars: Any) -> tuple[list[Any], list[Any]]:
    """Split pairs into gradients and variables.

    Raises
    ------
    TypeError
        If an item is not such a pair.
    """
    pairs = listed("grads_and_vars", grads_and_vars)
    for index, pair in enumerate(pairs):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise ArgumentTypeError(
                f"grads_and_vars must hold pairs of a gradient and a variable, but item {index} is "
                f"{described(pair)}. {RIGHT_CALL}"
            )
    return [gradient for gradient, _ in pairs], [variable for _, variable in pairs]


def take_step(optimizer: Optimizer, memories: Memories, grads: Any, trainable_variables: Any) -> None:
    """Take a step on arrays, see `Optimizer.apply`. `memories` are the optimizer's states."""
    if trainable_variables is None and memories.shown.built is None:
        raise ValueError("apply needs trainable_variables, unless build has been called with them.")
    given = memories.shown.built if trainable_variables is None else trainable_variables
    grads, variables = listed("grads", grads), listed("trainable_variables", given)
    _refuse_mistaken(memories, grads, variables)
    with AtRest(variables_of(variables)):
        state = memories.shown if trainable_variables is None else memories.of_variables(variables)
        _step(optimizer, memories, grads, variables, state)


def _step(
    optimizer: Optimizer, memories: Memories, grads: list[Any], variables: list[Any], state: OptimizerState
) -> None:
    """Take the step. No other thread uses the variables meanwhile."""
    arrays = [v.array if isinstance(v, Variable) else v for v in variables]
    gradients = _check_gradients(grads, arrays)
    slots = state.slots_of(optimizer, variables, arrays)
    _refuse_strangers(memories, state, variables)
    segments, targets = [], []
    for key, variable, array, gradient in zip(slots, variables, arrays, gradients, strict=True):
        if gradient is not None:
            gradient /= optimizer.loss_scale_factor or 1
            segments.append(Segment(array.copy(order="C"), gradient, slots[key], optimizer.decay_of(variable)))
            targets.append(array)
    compiled = optimizer.compiled_rule(arrays[0].dtype)
    compiled.blas = matrix_products.prepare()
    with matrix_products.held(compiled.blas):
        compiled.apply(state.batches, SegmentList(compiled, segments))
    state.batches += 1
    state.slots.update(slots)
    for array, segment in zip(targets, segments, strict=True):
        array[...] = segment.values
    for variable in variables:
        if isinstance(variable, Variable) and variable.constraint is not None:
            variable.assign(variable.constraint(variable.numpy()))


def _refuse_mistaken(memories: Memories, grads: list[Any], variables: list[Any]) -> None:
    """Refuse swapped arguments, and copies of weights, on which a step would have no effect."""
    for index, gradient in enumerate(grads):
        if isinstance(gradient, Variable):
            raise ArgumentTypeError(
                f"Gradients come first, but gradient {index} is {described(gradient)}. {RIGHT_CALL}"
            )
    for index, variable in enumerate(variables):
        if isinstance(variable, np.ndarray) and len(memories.by_model):
            raise ArgumentTypeError(
                f"Variable {index} must be a variable of the model compiled with this optimizer, but got "
                f"{described(variable)}: a step on it would not change the model. {RIGHT_CALL}"
            )


def _refuse_strangers(memories: Memories, state: OptimizerState, variables: list[Any]) -> None:
    """Refuse new variables after steps on others, because the number of batches would be wrong for them."""
    known = state is not memories.unowned or not state.slots
    strangers = [v for v in variables if isinstance(v, Variable) and v not in state.slots]
    if strangers and not known:
        raise ValueError(
            f"Unknown variable: {strangers[0].path!r}. The optimizer has taken steps on other variables, or was "
            "built for them. Make another optimizer, or call build with all variables."
        )


def listed(name: str, values: Any) -> list[Any]:
    """The items of an argument that must hold several of them."""
    if isinstance(values, (Variable, str, dict)) or not isinstance(values, Iterable):
        raise ArgumentTypeError(f"{name} must be a list, but got {described(values)}. {RIGHT_CALL}")
    return list(values)


def described(value: Any) -> str:
    if isinstance(value, Variable):
        return f"the variable {value.path!r}"
    if getattr(value, "is_model", False):
        return f"the model {value.name!r}"
    shape = f" of shape {value.shape}" if isinstance(value, np.ndarray) else ""
    return f"{type_name(value)}{shape}"


def check_variables(arrays: Sequence[Any]) -> None:
    for index, array in enumerate(arrays):
        if not isinstance(array, np.ndarray) or array.dtype not in (np.float32, np.float64):
            got = getattr(array, "dtype", type(array).__name__)
            raise TypeError(f"Variable {index} must be a float32 or float64 array, but got {got}.")
        if array.dtype != arrays[0].dtype:
            raise ValueError(f"Variables must have one dtype, but variable {index} has {array.dtype}.")
        if not array.flags.writeable or array.size == 0:
            raise ValueError(f"Variable {index} must be writable and not empty.")


def _check_gradients(grads: Sequence[Any], arrays: Sequence[Any]) -> list[Array | None]:
    """Copies of all gradients, checked against the variables."""
    grads = list(grads)
    if not arrays or len(grads) != len(arrays):
        raise ValueError(f"Expected one gradient for each variable, but got {len(grads)} for {len(arrays)}.")
    check_variables(arrays)
    missing = [index for index, gradient in enumerate(grads) if gradient is None]
    if len(missing) == len(grads):
        raise ValueError("There is no gradient for any variable.")
    found = [
        None if g is None else _check_gradient(i, g, a) for i, (g, a) in enumerate(zip(grads, arrays, strict=True))
    ]
    if missing:
        warnings.warn(f"There are no gradients for variables {missing}: they are not changed.", stacklevel=5)
    return found


def _check_gradient(index: int, gradient: Any, array: Array) -> Array:
    if np.asarray(gradient).dtype.kind not in "fiu":
        raise TypeError(f"Gradient {index} must hold real numbers, but got {gradient!r}.")
    if np.shape(gradient) != array.shape:
        raise ValueError(
            f"Gradient {index} must have shape {array.shape} like its variable, but got {np.shape(gradient)}."
        )
    with np.errstate(over="ignore"):
        copy = np.array(gradient, array.dtype, order="C")
    if not np.isfinite(copy).all():
        raise ValueError("Gradients must be finite, but got NaN or infinity.")
    return copy
