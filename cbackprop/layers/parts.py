"""The step that a plan uses to take one of several outputs, which are side by side in one array."""

from __future__ import annotations

from typing import Any

from cbackprop.layers.operation import Operation

__all__ = ["MaskPart", "Part"]


class Part(Operation):
    """Take the elements begin:end of each sample.

    Parameters
    ----------
    layer : Operation
        That which has several outputs.
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
