"""Check that a layer's shapes and weights fit its implementation.

A user's subclass of a layer may define `build` and `compute_output_shape`, but the numbers are still computed by the
implementation of the layer that it was derived from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["check_fit"]

Shape = tuple[int, ...]


def check_fit(
    layer: Any,
    implementation: str,
    given: Sequence[Shape],
    output: Shape,
    inputs: Sequence[Shape],
    makes: Shape,
    weights: Mapping[str, Shape] | None,
) -> None:
    """Refuse a layer whose inputs, output or weights do not fit its implementation.

    Parameters
    ----------
    layer : Layer
    implementation : str
        The name of the implementing class.
    given, output : (sequence of) tuple of int
        The shapes of a sample of each input, and of the output, in the network.
    inputs, makes : (sequence of) tuple of int
        The shapes that the implementation reads and makes.
    weights : mapping of str to tuple of int, or None
        The shapes of the weights that it reads, by attribute and in order; ``None`` to check no weights. Further
        weights must not be trainable, because nothing computes their gradients.

    Raises
    ------
    ValueError
        If something does not fit. The message names it, and the method to correct.
    """
    who = f"{type(layer).__name__} {layer.name!r} computes as {implementation} does"
    if list(given) != list(inputs):
        raise ValueError(f"{who}, from inputs of shapes {list(inputs)} for a sample, but gets {list(given)}.")
    if output != makes:
        raise ValueError(
            f"{who}, whose output has the shape {makes} for a sample, but its compute_output_shape says {output}. "
            "Return the shape of the output, or define call."
        )
    if weights is None:
        return
    held = list(layer.variables)
    for k, (name, shape) in enumerate(weights.items()):
        own = getattr(layer, name, None)
        if k >= len(held) or held[k] is not own:
            raise ValueError(
                f"{who}, whose weight {k + 1} is {name}, of shape {shape}, but its build made "
                f"{[variable.name for variable in held]}. Call super().build(input_shape) first, or set {name} by "
                "add_weight."
            )
        if tuple(own.shape) != shape or own.size != math.prod(shape):
            raise ValueError(
                f"{who}, whose {name} has the shape {shape}, but its build made {name} with the shape {own.shape}."
            )
    for variable in held[len(weights) :]:
        if variable.trainable:
            raise ValueError(
                f"{who}, which does not use the weight {variable.name!r}: nothing computes its gradient. Make it "
                "with trainable=False, or define call and backward."
            )
