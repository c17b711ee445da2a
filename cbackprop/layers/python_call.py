"""One call of a layer in Python as a step of a network: what `call` and `backward` get, and what comes back."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.layers.call_arguments import takes, takes_positions
from cbackprop.layers.call_context import calling
from cbackprop.layers.connecting import check_used, sample_shape
from cbackprop.layers.layer import Layer
from cbackprop.layers.python_step import PythonStep, checked_array
from cbackprop.layers.tracking import layers_within
from cbackprop.tensor import KerasTensor, flatten, map_structure

__all__ = ["AddedLoss", "PythonCall", "check_backward"]

Array = NDArray[Any]


class PythonCall(PythonStep):
    """One call of a layer written in Python, as a step of a network.

    The step's inputs are the symbolic tensors of the call, followed by the masks that `call` takes. If `call` returns
    several outputs, they are side by side in the step's only output.

    Parameters
    ----------
    owner : Layer
        The layer whose `call` and `backward` are run.
    node : Node
    masks : dict of str to list of (int or None)
        For each argument that takes masks, the indices among the step's inputs of the masks of its leaves.
    """

    def __init__(self, owner: Layer, node: Any, masks: dict[str, list[int | None]]) -> None:
        super().__init__(owner.name, owner.dtype)
        self.owner = owner
        # Kept here because a built layer gets no further layers or weights.
        self.layers = [owner, *layers_within(owner)]
        self._owners_variables = owner.variables
        self.key = node  # losses that the layer adds are recorded for each call, in whichever network it runs
        self.arguments = node.arguments
        self.structure = node.structure
        self.shapes = [sample_shape(tensor.shape) for tensor in node.outputs]
        self.masks = masks
        self.adds_losses = node.adds_losses

    @property
    def variables(self) -> list[Any]:
        """The weights of the layer."""
        return self._owners_variables

    @property
    def backward(self) -> Any:
        """The layer's `backward`; ``None`` if it has none."""
        return getattr(self.owner, "backward", None)

    @property
    def without_backward(self) -> str:
        """The message of the error that is raised if a gradient must pass and the layer has no `backward`."""
        if self.owner._without_backward is not None:
            return str(self.owner._without_backward)
        return (
            f"Layer {self.name!r} of class {type(self.owner).__name__} is written in Python, and gradients must pass "
            "through it: define backward(inputs, outputs, delta), which returns the input delta (and the gradients of "
            "weights); see cbackprop.layers.Layer. There is no automatic differentiation."
        )

    def values(self, arrays: list[Array]) -> dict[str, Any]:
        """The arguments of `call`, by name, with these arrays as its tensors and masks."""
        given = iter(arrays)
        values = self.arguments.mapped(lambda leaf: next(given) if isinstance(leaf, KerasTensor) else leaf)
        for name in values:
            if name == "mask" or name.endswith("_mask"):
                values[name] = map_structure(lambda m: m != 0 if isinstance(m, np.ndarray) else m, values[name])
        wanted = self.arguments.masks_wanted(lambda leaf: isinstance(leaf, KerasTensor))
        for taker, places in self.masks.items():
            remaining = iter(places)

            def mask_at(leaf: Any, remaining: Any = remaining) -> Any:
                place = next(remaining) if isinstance(leaf, KerasTensor) else None
                return None if place is None else arrays[place] != 0

            values[taker] = map_structure(mask_at, self.arguments.values[wanted[taker]])
        return values

    def added(self) -> float:
        """The sum of the losses that were added in the last run."""
        return sum(value for layer in self.layers for value, _ in layer._added_losses.get(self.key, ()))

    def added_gradients(self) -> list[Any]:
        """The given gradients of the added losses with respect to the inputs.

        Raises
        ------
        TypeError
            If a layer within gave a gradient: it is with respect to that layer's inputs, not this one's.
        """
        for layer in self.layers[1:]:
            if any(gradient is not None for _, gradient in layer._added_losses.get(self.key, ())):
                raise TypeError(
                    f"Layer {layer.name!r}, within {self.owner.name!r}, gave add_loss a gradient by its own inputs, "
                    f"but training needs it by those of {self.owner.name!r}: leave gradient out there, and add it to "
                    f"what backward of {self.owner.name!r} returns."
                )
        given = self.owner._added_losses.get(self.key, ())
        return [gradient for _, gradient in given if gradient is not None]

    def evaluate(self, inputs: list[Array], output_shape: tuple[int, ...], training: bool) -> Array:
        """Run the layer's `call` on a batch and check the result. Several outputs are put side by side."""
        owner = self.owner
        for layer in self.layers:
            layer._added_losses.pop(self.key, None)
        with calling(owner, training, self.key) as context:
            returned = self.arguments.call(owner.call, self.values(inputs), training)
        if training and context.used:
            check_used(owner, context)
        if len(self.shapes) == 1:
            given = flatten(returned)
            value = given[0] if len(given) == 1 else returned
            return checked_array(owner, "The output", value, (len(inputs[0]), *output_shape))
        arrays = flatten(returned)
        if len(arrays) != len(self.shapes):
            raise ValueError(f"Layer {owner.name!r} returned {len(arrays)} outputs, but {len(self.shapes)} before.")
        rows = len(inputs[0])
        return np.concatenate(
            [
                checked_array(owner, f"Output {i}", array, (rows, *shape)).reshape(rows, -1)
                for i, (array, shape) in enumerate(zip(arrays, self.shapes, strict=True))
            ],
            axis=1,
        )

    def differentiate(self, inputs: list[Array], outputs: Array, delta: Array) -> tuple[list[Array], list[Array]]:
        """Run the layer's `backward` on a batch: a checked delta for each input and gradient for each weight."""
        owner = self.owner
        values = self.values(inputs)
        names = self.arguments.names_with_tensors()
        given = values[names[0]] if len(names) == 1 else {name: values[name] for name in names}
        further = {name: value for name, value in values.items() if name not in names and takes(self.backward, name)}
        result = self.backward(given, _parts(self, outputs), _parts(self, delta), **further)
        result, gradients = _split(self, result)
        if result is None and not gradients:
            raise TypeError(f"backward of layer {owner.name!r} must return the input delta, but returned None.")
        found = _input_deltas(self, inputs, {} if result is None and len(names) > 1 else result, names)
        for added in self.added_gradients():
            found = [a + b for a, b in zip(found, _input_deltas(self, inputs, added, names), strict=True)]
        return found, [
            np.zeros(variable.shape, owner.dtype)
            if gradients.get(variable) is None
            else checked_array(owner, f"The gradient of {variable.name!r}", gradients[variable], variable.shape)
            for variable in self.variables
        ]


def check_backward(step: Any) -> None:
    """Refuse a layer or a cell in Python through which gradients must pass, and whose `backward` cannot be called.

    Raises
    ------
    TypeError
        If it has no `backward`, or one that takes other arguments.
    """
    backward = getattr(step, "backward", None)
    if backward is None:
        raise TypeError(step.without_backward)
    if not takes_positions(backward, 3):
        raise TypeError(
            f"backward of {step.name!r} must take (inputs, outputs, delta), but takes {inspect.signature(backward)}."
        )


class AddedLoss:
    """What `add_loss` added in the last run of a step, in the form of an activity regularizer of the step's output.

    The engine divides the value of an activity regularizer by the batch size. Added losses are not divided, so the
    value is multiplied by the batch size here.
    """

    def __init__(self, step: PythonCall) -> None:
        self.step = step

    def __call__(self, output: Array) -> float:
        return self.step.added() * len(output)

    def gradient(self, output: Array) -> Array:
        """Zeros: the gradients go to the layer's inputs."""
        return np.zeros_like(output)


def _parts(step: PythonCall, array: Array) -> Any:
    """Split an array into the outputs of a call, or their deltas, in the structure that the call returned."""
    if len(step.shapes) == 1:
        return map_structure(lambda _: array, step.structure)
    ends = np.cumsum([math.prod(shape) for shape in step.shapes])
    parts = iter(
        part.reshape(len(array), *shape)
        for part, shape in zip(np.split(array, ends[:-1], axis=1), step.shapes, strict=True)
    )
    return map_structure(lambda _: next(parts), step.structure)


def _split(step: PythonCall, result: Any) -> tuple[Any, dict[Any, Any]]:
    """Split the result of `backward` into the input deltas and the gradients by weight."""
    owner = step.owner
    everything = [variable for variable in step.variables if variable.trainable]
    if not everything:
        return result, {}
    pair = isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], (list, tuple))
    if pair and len(result[1]) == len(everything):
        return result[0], dict(zip(everything, result[1], strict=True))
    wanted = owner.trainable_variables
    if not pair:
        if not wanted:  # frozen
            return result, {}
        raise TypeError(
            f"backward of layer {owner.name!r} must return a tuple: the input delta, and a list of the gradients "
            f"of {[variable.name for variable in wanted]}."
        )
    deltas, gradients = result
    if len(gradients) != len(wanted):
        raise ValueError(
            f"backward of layer {owner.name!r} must return {len(wanted)} gradients, those of "
            f"{[variable.path for variable in wanted]}, but returned {len(gradients)}."
        )
    return deltas, dict(zip(wanted, gradients, strict=True))


def _input_deltas(step: PythonCall, inputs: list[Array], result: Any, names: list[str]) -> list[Array]:
    """A delta for each input of a step: those in `result`, which are for the arguments `names`, and zeros."""
    owner = step.owner
    by_name = result if len(names) != 1 else {names[0]: result}
    if not isinstance(by_name, dict) or not by_name.keys() <= set(names):
        raise ValueError(
            f"backward of layer {owner.name!r} must return a dict of input deltas with keys of {names}, but returned "
            f"{sorted(by_name) if isinstance(by_name, dict) else type(by_name).__name__}."
        )
    count = len(step.arguments.tensors())
    leaves: list[Any] = []
    for name, value in step.arguments.values.items():
        deltas = _aligned(owner, by_name.get(name), value, count)
        leaves += [delta for delta, leaf in zip(deltas, flatten(value), strict=True) if isinstance(leaf, KerasTensor)]
    leaves += [None] * (len(inputs) - len(leaves))  # of masks
    return [
        np.zeros_like(x) if value is None else checked_array(owner, f"Input delta {i}", value, x.shape)
        for i, (value, x) in enumerate(zip(leaves, inputs, strict=True))
    ]


def _aligned(owner: Layer, deltas: Any, structure: Any, count: int) -> list[Any]:
    """For each leaf of a structure the matching leaf of `deltas`, or ``None``."""
    if deltas is None:
        return [None] * len(flatten(structure))
    if isinstance(structure, dict):
        if not isinstance(deltas, dict):
            raise ValueError(f"backward of layer {owner.name!r} must return a dict of input deltas, as its inputs are.")
        return [leaf for key in sorted(structure) for leaf in _aligned(owner, deltas.get(key), structure[key], count)]
    if flatten(structure) == [structure]:
        return [deltas]
    if not isinstance(deltas, (list, tuple)) or len(deltas) != len(structure):
        raise ValueError(f"backward of layer {owner.name!r} must return a list of {count} input deltas.")
    return [leaf for d, s in zip(deltas, structure, strict=True) for leaf in _aligned(owner, d, s, count)]
