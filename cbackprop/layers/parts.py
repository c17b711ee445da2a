"""One of several outputs that lie side by side: what the plan puts behind a layer with several outputs."""

from __future__ import annotations

from typing import Any

from cbackprop.layers.layer import Layer

__all__ = ["Part"]


class Part(Layer):
    """The elements begin:end of each sample; no layer for users.

    Parameters
    ----------
    layer : Layer
        Whose output it is a part of.
    number : int
        Which one.
    begin, end : int
    """

    implementation = "parts.Part"
    reads_output = False

    def __init__(self, layer: Any, number: int, begin: int, end: int) -> None:
        super().__init__(name=f"{layer.name}/{number}", dtype=layer.dtype)
        self.begin, self.end = begin, end
