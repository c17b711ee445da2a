"""The interface between layers and plans: how the call of a layer becomes steps of a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

__all__ = ["Mask", "Steps", "Value"]

SampleShape = tuple[int, ...]


class Mask(NamedTuple):
    """The buffer of a mask, with 1 for each row that counts and 0 for others, and its shape for a sample."""

    buffer: int
    shape: SampleShape


class Value(NamedTuple):
    """A symbolic tensor in a plan: a buffer, the shape of a sample, and its mask."""

    buffer: int
    shape: SampleShape
    mask: Mask | None = None


class Steps(Protocol):
    """The plan to which `Layer.expand` adds the steps of one call of a layer."""

    # Settings of the call, such as ``use_causal_mask``.
    settings: dict[str, Any]

    def add(self, operation: Any, inputs: Sequence[Value | Mask], shape: SampleShape) -> Value:
        """Add a step, and return its output, whose samples have this shape."""

    def call(self, layer: Any, inputs: Sequence[Value], penalized: bool = True, **settings: Any) -> Value:
        """Add the steps of a call of another layer, which must be built, and return its output with its mask.

        If the call is `penalized`, the layer's activity regularizer adds to the loss. Settings of the call are given by
        name, such as ``use_causal_mask=True``.
        """

    def as_mask(self, layer: Any, value: Value) -> Mask:
        """A mask from the numbers of a value: 1 where they are not 0."""
