"""What all optimizers share, in NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "Optimizer", "Segment"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Segment:
    """A run of the flat vectors: parameters, gradients, slots, and whether weight decay applies."""

    values: Array
    gradients: Array
    slots: list[Array]
    decay: bool


class Optimizer:
    """One step: clip gradients, decay weights, update.

    Parameters
    ----------
    spec : cbackprop.optimizers.Optimizer
        What the user wrote.
    """

    def __init__(self, spec: Any) -> None:
        self.spec = spec

    def step(self, learning_rate: float, iteration: int, segments: list[Segment]) -> None:
        """Take step number `iteration`, counted from 1, on all segments in place."""
        spec = self.spec
        if spec.global_clipnorm:
            norm = np.sqrt(sum(_squared_norm(segment.gradients) for segment in segments))
            for segment in segments:
                _limit_norm(segment.gradients, norm, spec.global_clipnorm)
        for segment in segments:
            if spec.clipnorm:
                _limit_norm(segment.gradients, np.sqrt(_squared_norm(segment.gradients)), spec.clipnorm)
            if spec.clipvalue:
                np.clip(segment.gradients, -spec.clipvalue, spec.clipvalue, out=segment.gradients)
            if spec.weight_decay and segment.decay:
                segment.values[...] -= spec.weight_decay * learning_rate * segment.values
            self.update(learning_rate, iteration, segment.values, segment.gradients, *segment.slots)

    def update(self, learning_rate: float, iteration: int, w: Array, g: Array, *slots: Array) -> None:
        """Change the parameters `w`, and the slots, in place."""
        raise NotImplementedError


def _squared_norm(g: Array) -> float:
    return float(np.square(g, dtype=np.float64).sum())


def _limit_norm(g: Array, norm: float, limit: float) -> None:
    if norm > limit:
        g *= limit / norm
