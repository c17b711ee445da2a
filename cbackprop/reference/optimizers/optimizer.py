"""The base of all optimizers, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.contract.segment import Segment

__all__ = ["Array", "Optimizer", "Segment"]

Array = NDArray[Any]


class Optimizer:
    """One batch: accumulate and clip gradients, decay weights, update, average.

    Parameters
    ----------
    spec : cbackprop.optimizers.Optimizer
        The user's optimizer.
    """

    def __init__(self, spec: Any) -> None:
        self.spec = spec

    def step(self, learning_rate: float, batches: int, segments: list[Segment]) -> None:
        """Take the step that follows `batches` batches, on all segments, in place."""
        spec = self.spec
        steps = spec.gradient_accumulation_steps or 1
        updates = (batches + 1) % steps == 0
        if steps > 1:
            for segment in segments:
                _accumulate(segment.gradients, segment.slots[-1], steps, updates)
        if updates:
            self.limit(segments)
            for segment in segments:
                if segment.decay:
                    segment.values[...] -= segment.decay * learning_rate * segment.values
                own = segment.slots[: len(spec.slot_names)]
                self.update(learning_rate, batches // steps + 1, segment.values, segment.gradients, *own)
        if spec.use_ema:
            for segment in segments:
                self.average(batches // steps, segment.values, segment.slots[len(spec.slot_names)])

    def limit(self, segments: list[Segment]) -> None:
        """Clip the gradients."""
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

    def update(self, learning_rate: float, iteration: int, w: Array, g: Array, *slots: Any) -> None:
        """Change the parameters `w` and the slots in place. `iteration` is the number of the update, from 1."""
        raise NotImplementedError

    def average(self, iterations: int, w: Array, average: Any) -> None:
        """average = momentum average + (1 - momentum) w, which starts as w. Every so many updates, w = average."""
        momentum = self.spec.ema_momentum if iterations else 0.0
        average *= momentum
        average += (1 - momentum) * w
        if self.spec.ema_overwrite_frequency and (iterations + 1) % self.spec.ema_overwrite_frequency == 0:
            w[...] = average


def _accumulate(g: Array, total: Any, steps: int, updates: bool) -> None:
    """Add g to the sum of earlier gradients. When the sum is complete, g becomes their mean."""
    if updates:
        g += total
        g /= steps
        total[...] = 0
    else:
        total += g


def _squared_norm(g: Array) -> float:
    return float(np.square(g, dtype=np.float64).sum())


def _limit_norm(g: Array, norm: float, limit: float) -> None:
    if norm > limit:
        g *= limit / norm
