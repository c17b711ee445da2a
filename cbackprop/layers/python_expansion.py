"""The steps of a call of a layer in Python."""

from __future__ import annotations

import math
from typing import Any

from cbackprop.contract.expansion import Mask, Value
from cbackprop.layers.connecting import sample_shape
from cbackprop.layers.parts import parts_of
from cbackprop.layers.python_call import AddedLoss, PythonCall
from cbackprop.tensor import KerasTensor, Node, flatten

__all__ = ["expand_python"]

SampleShape = tuple[int, ...]


def expand_python(steps: Any, node: Node, sources: list[Value], penalized: bool = True) -> list[Value]:
    """Add the step of a call, and a step for each output if there are several. Return the values of the outputs."""
    layer, arguments = node.layer, node.arguments
    value_of = {id(tensor): value for tensor, value in zip(node.inputs, sources, strict=True)}
    read: list[Value | Mask] = list(sources)
    masks: dict[str, list[int | None]] = {}
    for taker, name in arguments.masks_wanted(lambda leaf: isinstance(leaf, KerasTensor)).items():
        found = [value_of[id(tensor)].mask for tensor in arguments.tensors(name)]
        if any(mask is not None for mask in found):
            known = [mask for mask in found if mask is not None]
            numbers = iter(range(len(read), len(read) + len(known)))
            masks[taker] = [None if mask is None else next(numbers) for mask in found]
            read += known
    step = PythonCall(layer, node, masks)
    shapes = [sample_shape(tensor.shape) for tensor in node.outputs]
    whole = steps.add(step, read, shapes[0] if len(shapes) == 1 else (sum(map(math.prod, shapes)),))
    if step.adds_losses:
        whole = steps.add_activity(AddedLoss(step), whole, layer)
    outputs = [whole] if len(shapes) == 1 else parts_of(steps, step, whole, shapes)
    if layer.activity_regularizer is not None and penalized:
        outputs = [steps.add_activity(layer.activity_regularizer, output, layer) for output in outputs]
    found_masks = _masks(steps, node, value_of, shapes)
    return [output._replace(mask=mask) for output, mask in zip(outputs, found_masks, strict=True)]


def _masks(steps: Any, node: Node, value_of: dict[int, Value], shapes: list[SampleShape]) -> list[Mask | None]:
    """The masks of the outputs, made from the masks of the first argument or from given ones."""
    layer, arguments = node.layer, node.arguments
    names = arguments.names_with(lambda leaf: isinstance(leaf, KerasTensor))
    tensors = arguments.tensors(names[0]) if names else []
    sources = [value_of[id(tensor)] for tensor in tensors]
    given = [leaf for leaf in flatten(arguments.mask) if isinstance(leaf, KerasTensor)]
    if len(given) == len(tensors):
        sources = [
            value._replace(mask=steps.as_mask(layer, value_of[id(mask)]))
            for value, mask in zip(sources, given, strict=True)
        ]
    first = steps.mask_of(layer, sources, shapes[0]) if tensors else None
    return [first if first is not None and shape[:-1] == first.shape else None for shape in shapes]
