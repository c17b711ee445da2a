"""What the plan adds to a network so that it knows masks: steps that make a mask, or one of several.

A mask says of each row of a layer's output (of each step of a sequence) whether it counts: 1, or 0. Layers say by
`Layer.mask_rule` where the mask of their output comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cbackprop.layers.layer import Layer
from cbackprop.validation import contiguous

__all__ = ["Chosen", "Differs", "MaskStep", "Merged", "PythonMask", "compute", "rule_in_python", "rule_of"]

Array = NDArray[Any]
SampleShape = tuple[int, ...]


class MaskStep(Layer):
    """Base of the steps that make masks; no layers for users. No gradient passes through them."""

    reads_output = False
    n_inputs = None
    # What it is given: the "inputs" of the layer whose mask it makes, the "masks" of those that have one, or "both".
    reads: ClassVar[str]

    def __init__(self, layer: Layer) -> None:
        super().__init__(name=f"{layer.name}/mask", dtype=layer.dtype)


class Differs(MaskStep):
    """1 where any of so many features differs from a value."""

    implementation = "masks.Differs"
    reads = "inputs"

    def __init__(self, layer: Layer, value: float, features: int) -> None:
        super().__init__(layer)
        self.value = value
        self.features = features


class Merged(MaskStep):
    """1 where any of several masks says so, or it is always so.

    Parameters
    ----------
    layer : Layer
    sources : ndarray of int (masks, width)
        For each mask: which of its elements an element of the output looks at; -1 for none.
    always : ndarray of bool (width,)
        Elements that are 1 in any case.
    """

    implementation = "masks.Merged"
    reads = "masks"

    def __init__(self, layer: Layer, sources: Array, always: Array) -> None:
        super().__init__(layer)
        self.sources = contiguous(sources, np.intp)
        self.always = always


class PythonMask(MaskStep):
    """What a method `compute_mask` in Python makes of a layer's inputs and their masks."""

    implementation = "masks.PythonMask"
    reads = "both"
    couples_samples = "always"

    def __init__(self, layer: Layer, masked: Sequence[bool]) -> None:
        super().__init__(layer)
        self.owner = layer
        self.masked = list(masked)


class Chosen(Layer):
    """Of the first input the rows that a mask shows, and elsewhere a number or the rows of another input.

    Inputs are the rows, their mask, and what else there is, if it is no number. Not for users: what the plan puts
    before and after merges that see only what masks show.
    """

    implementation = "masks.Chosen"
    reads_output = False
    n_inputs = None

    def __init__(self, layer: Layer, value: float = 0.0) -> None:
        super().__init__(name=f"{layer.name}/chosen", dtype=layer.dtype)
        self.value = min(max(value, -float(np.finfo(self.dtype).max)), float(np.finfo(self.dtype).max))


def rule_of(layer: Layer, shapes: list[SampleShape], masks: list[SampleShape | None], output: SampleShape) -> Any:
    """Where the mask of a call's output comes from: see `Layer.mask_rule`.

    That of the class, unless a class derived from it defines `compute_mask` in Python.
    """
    for cls in type(layer).__mro__:
        if "mask_rule" in cls.__dict__:
            break
        if "compute_mask" in cls.__dict__:
            return rule_in_python(layer, shapes, masks, output)
    return layer.mask_rule(shapes, masks, output)


def rule_in_python(
    layer: Layer, shapes: list[SampleShape], masks: list[SampleShape | None], output: SampleShape
) -> PythonMask | None:
    """A call for one sample of zeros shows whether there is a mask."""
    if not layer.supports_masking:
        return None
    inputs = [np.zeros((1, *shape), layer.dtype) for shape in shapes]
    known = [None if shape is None else np.ones((1, *shape), bool) for shape in masks]
    found = _call(layer, inputs, known)
    if found is None:
        return None
    _checked(layer, found, (1, *output[:-1]))
    return PythonMask(layer, [shape is not None for shape in masks])


def _call(layer: Layer, inputs: list[Array], masks: list[Array | None]) -> Any:
    if len(inputs) == 1:
        return layer.compute_mask(inputs[0], masks[0])
    return layer.compute_mask(inputs, masks)


def _checked(layer: Layer, mask: Any, shape: tuple[int, ...]) -> Array:
    array = np.asarray(mask)
    if array.dtype.kind not in "fiub" or array.shape != shape:
        raise ValueError(
            f"compute_mask of layer {layer.name!r} must return booleans of shape {shape}, one for each row of the "
            f"output, but returned {array.dtype} of shape {array.shape}."
        )
    return contiguous(array != 0, layer.dtype)


def compute(step: PythonMask, arrays: list[Array], shape: SampleShape) -> Array:
    """The mask of a batch, (batch, *shape) of 0 and 1, from the inputs of the layer and those masks that exist.

    Raises
    ------
    ValueError
        If `compute_mask` returns something else than it did for a sample of zeros.
    """
    count = len(step.masked)
    remaining = iter(arrays[count:])
    masks = [next(remaining) != 0 if masked else None for masked in step.masked]
    return _checked(step.owner, _call(step.owner, arrays[:count], masks), (len(arrays[0]), *shape))
