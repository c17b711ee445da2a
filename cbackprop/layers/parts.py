"""The steps that a plan uses to take each of several outputs, which are side by side in one array."""

from __future__ import annotations

import math
from typing import Any

from cbackprop.contract.expansion import Value
from cbackprop.layers.operation import Operation

__all__ = ["MaskPart", "Part", "parts_of"]


class Part(Operation):
    """Take the elements begin:end of each sample.

    Parameters
    ----------
    layer : Operation
        The one that has several outputs.
    number : int
        The number of the output.
    begin, end : int
        Its first element, and the one after its last.
    """

    implementation = "parts.Part"
    reads_output = False

    def __init__(self, layer: Any, number: int, begin: int, end: int) -> None:
        super().__init__(f"{layer.name}/{number}", layer.dtype)
        self.begin, self.end = begin, end


class MaskPart(Part):
    """As `Part`, for one of several masks."""

    makes_mask = True


def parts_of(steps: Any, operation: Any, whole: Value, shapes: list[tuple[int, ...]]) -> list[Value]:
    """The outputs of these shapes, for a sample, that an operation has written side by side into one buffer."""
    found, begin = [], 0
    for number, shape in enumerate(shapes):
        part = Part(operation, number, begin, begin + math.prod(shape))
        found.append(steps.add(part, [whole], shape))
        begin = part.end
    return found
