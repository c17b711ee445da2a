"""The shape of what a layer's activation returns."""

from __future__ import annotations

from typing import Any

from cbackprop.tensor import Shape

__all__ = ["activated_shape"]


def activated_shape(layer: Any, shape: Shape) -> Shape:
    """The shape of a layer's output if that of the result before the activation is `shape`.

    Only an activation that halves an axis changes it.

    Raises
    ------
    ValueError
        If the activation works along an axis that samples do not have, or halves one that is odd.
    """
    function = layer.function
    if function is None or function.axis is None:
        return shape
    given = function.axis if isinstance(function.axis, tuple) else (function.axis,)
    axes = sorted(axis + len(shape) if axis < 0 else axis for axis in given)
    title = f"{type(layer).__name__} {layer.name!r}"
    if axes[0] < 1 or axes[-1] >= len(shape) or len(set(axes)) < len(axes):
        raise ValueError(
            f"{title} works along axis {function.axis}, which is not an axis of the samples in shape {shape}."
        )
    if axes[-1] - axes[0] >= len(axes):
        raise ValueError(
            f"{title} works along axis {function.axis}, but in shape {shape} there are other axes between: bring them "
            "together with a layer Permute."
        )
    result: Shape = function.output_shape(shape)
    return result
