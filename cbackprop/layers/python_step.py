"""Python code in a network: a step that engines call with arrays. Its results are checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.layers.operation import Operation
from cbackprop.validation import a_type, contiguous

__all__ = ["PythonStep", "checked_array"]

Array = NDArray[Any]


def checked_array(layer: Any, what: str, value: Any, shape: tuple[int, ...]) -> Array:
    """`value` as an array of this shape in the layer's float type; errors name the layer."""
    if type(value).__module__.partition(".")[0] in ("torch", "tensorflow", "jax", "jaxlib", "keras"):
        raise TypeError(
            f"{what} of layer {layer.name!r} is {a_type(value)}, but must be a NumPy array: write the layer "
            "with NumPy, and its gradient in a method backward(inputs, outputs, delta)."
        )
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{what} of layer {layer.name!r} must be one array of shape {shape}: {error}.") from None
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{what} of layer {layer.name!r} must hold real numbers, but has dtype {array.dtype}.")
    if array.shape != shape:
        raise ValueError(f"{what} of layer {layer.name!r} must have shape {shape}, but has {array.shape}.")
    return contiguous(array, layer.dtype)


class PythonStep(Operation):
    """Base of the steps that engines call by `evaluate` and `differentiate`.

    A subclass defines `call` and `backward` of one array.
    """

    implementation = "python_layer.PythonLayer"
    is_python = True
    couples_samples = "always"

    def evaluate(self, inputs: list[Array], output_shape: tuple[int, ...], training: bool) -> Array:
        """The output for a batch, (batch, *output_shape).

        Raises
        ------
        TypeError, ValueError
            If `call` returns no array of real numbers of that shape.
        """
        found = self.call(inputs[0])  # type: ignore[attr-defined]
        return checked_array(self, "The output", found, (len(inputs[0]), *output_shape))

    def differentiate(self, inputs: list[Array], outputs: Array, delta: Array) -> tuple[list[Array], list[Array]]:
        """Compute a delta for each input, and a gradient for each weight, from dL/doutputs.

        Raises
        ------
        TypeError, ValueError
            If `backward` returns something else.
        """
        found = self.backward(inputs[0], outputs, delta)  # type: ignore[attr-defined]
        return [checked_array(self, "Input delta 0", found, inputs[0].shape)], []
