"""The interface between layers and plans: how the call of a layer becomes steps of a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

__all__ = ["Mask", "Steps", "Value"]

SampleShape = tuple[int, ...]


class Mask(NamedTuple):
    """The buffer that holds a mask, 1 for each row that counts and else 0, and its shape for a sample."""

    buffer: int
    shape: SampleShape


class Value(NamedTuple):
    """A symbolic tensor in a plan: a buffer, the shape of a sample, and its mask."""

    buffer: int
    shape: SampleShape
    mask: Mask | None = None


class Steps(Protocol):
    """The plan to which `Layer.expand` adds the steps of one call of a layer."""

    # Of the call, such as ``use_causal_mask``.
    settings: dict[str, Any]

    def add(self, operation: Any, inputs: Sequence[Value | Mask], shape: SampleShape) -> Value:
        """One more step, and its output. A sample of that has this shape."""

    def call(self, layer: Any, inputs: Sequence[Value], penalized: bool = True, **settings: Any) -> Value:
        """The steps of a call of another layer, which is built already, and its output with its mask.

        Its activity regularizer adds to the loss if the call is `penalized`. Settings of the call are given by name,
        such as ``use_causal_mask=True``.
        """

    def as_mask(self, layer: Any, value: Value) -> Mask:
        """The numbers of a value as a mask: 1 where they are not 0."""
