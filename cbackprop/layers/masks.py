"""Steps that a plan adds to a network to compute masks.

A mask has one number for each row of a layer's output (each step of a sequence): 1 if the row counts, else 0. A layer's
`Layer.mask_rule` says how the mask of its output is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cbackprop.layers.operation import Operation
from cbackprop.validation import contiguous, type_name

__all__ = ["Chosen", "Differs", "MaskStep", "Merged", "PythonMask", "check_mask_list", "rule_in_python", "rule_of"]

Array = NDArray[Any]
SampleShape = tuple[int, ...]


class MaskStep(Operation):
    """Base of the steps that compute masks. No gradient passes through them."""

    reads_output = False
    makes_mask = True
    # The step reads the "inputs" of the layer whose mask it computes, the "masks" of these inputs, or "both".
    reads: ClassVar[str]

    def __init__(self, layer: Any) -> None:
        super().__init__(f"{layer.name}/mask", layer.dtype)


class Differs(MaskStep):
    """1 for each row in which any of `features` numbers differs from `value`."""

    implementation = "masks.Differs"
    reads = "inputs"

    def __init__(self, layer: Any, value: float, features: int) -> None:
        super().__init__(layer)
        self.value = value
        self.features = features


class Merged(MaskStep):
    """1 where any of several masks is 1, or where `always` is.

    Parameters
    ----------
    layer : Layer
    sources : ndarray of int (masks, width)
        For each mask and each element of the output, the index of the mask's element to read; -1 for none.
    always : ndarray of bool (width,)
        Elements that are always 1.
    """

    implementation = "masks.Merged"
    reads = "masks"

    def __init__(self, layer: Any, sources: Array, always: Array) -> None:
        super().__init__(layer)
        self.sources = contiguous(sources, np.intp)
        self.always = always


class PythonMask(MaskStep):
    """Call a layer's `compute_mask`, written in Python, with the layer's inputs and their masks."""

    implementation = "masks.PythonMask"
    reads = "both"
    couples_samples = "always"

    def __init__(self, layer: Any, masked: Sequence[bool]) -> None:
        super().__init__(layer)
        self.owner = layer
        self.masked = list(masked)

    def compute(self, arrays: list[Array], shape: SampleShape) -> Array:
        """The mask of a batch, (batch, *shape) of 0 and 1, from the layer's inputs and those of their masks that exist.

        Raises
        ------
        ValueError
            If `compute_mask` returns anything but numbers or booleans of this shape.
        """
        count = len(self.masked)
        remaining = iter(arrays[count:])
        masks = [next(remaining) != 0 if masked else None for masked in self.masked]
        return _checked(self.owner, _call(self.owner, arrays[:count], masks), (len(arrays[0]), *shape))


class Chosen(Operation):
    """Keep the rows of the first input where a mask is 1; elsewhere take a number or the rows of another input.

    Inputs are the rows, their mask and, unless a number is taken, the other input. Merge layers that ignore masked rows
    put this step before and behind them.
    """

    implementation = "masks.Chosen"
    reads_output = False

    def __init__(self, layer: Any, value: float = 0.0) -> None:
        super().__init__(f"{layer.name}/chosen", layer.dtype)
        self.value = min(max(value, -float(np.finfo(self.dtype).max)), float(np.finfo(self.dtype).max))


def check_mask_list(inputs: Any, masks: Any) -> None:
    """Refuse masks that are no list, or not as many as the inputs.

    Raises
    ------
    ValueError
        If they are no list, or of another length.
    """
    if masks is None:
        return
    if not isinstance(masks, (list, tuple)):
        raise ValueError(f"previous_mask should be a list, one mask for each input, but got {type_name(masks)}.")
    if not isinstance(inputs, (list, tuple)):
        raise ValueError(f"inputs should be a list, but got {type_name(inputs)}.")
    if len(masks) != len(inputs):
        raise ValueError(f"There should be as many masks as inputs, {len(inputs)}, but got {len(masks)}.")


def rule_of(layer: Any, shapes: list[SampleShape], masks: list[SampleShape | None], output: SampleShape) -> Any:
    """How the mask of a call's output is computed: see `Layer.mask_rule`.

    A subclass that overrides `compute_mask` in Python takes precedence over the `mask_rule` of its base.
    """
    for cls in type(layer).__mro__:
        if "mask_rule" in cls.__dict__:
            break
        if "compute_mask" in cls.__dict__:
            return rule_in_python(layer, shapes, masks, output)
    return layer.mask_rule(shapes, masks, output)


def rule_in_python(
    layer: Any, shapes: list[SampleShape], masks: list[SampleShape | None], output: SampleShape
) -> PythonMask | None:
    """Call `compute_mask` on one sample of zeros to find out whether it makes a mask."""
    if not layer.supports_masking:
        return None
    inputs = [np.zeros((1, *shape), layer.dtype) for shape in shapes]
    known = [None if shape is None else np.ones((1, *shape), bool) for shape in masks]
    found = _call(layer, inputs, known)
    if found is None:
        return None
    _checked(layer, found, (1, *output[:-1]))
    return PythonMask(layer, [shape is not None for shape in masks])


def _call(layer: Any, inputs: list[Array], masks: list[Array | None]) -> Any:
    if len(inputs) == 1:
        return layer.compute_mask(inputs[0], masks[0])
    return layer.compute_mask(inputs, masks)


def _checked(layer: Any, mask: Any, shape: tuple[int, ...]) -> Array:
    array = np.asarray(mask)
    if array.dtype.kind not in "fiub" or array.shape != shape:
        raise ValueError(
            f"compute_mask of layer {layer.name!r} must return booleans of shape {shape}, one for each row of the "
            f"output, but returned {array.dtype} of shape {array.shape}."
        )
    return contiguous(array != 0, layer.dtype)
