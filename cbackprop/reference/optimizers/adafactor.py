"""Adafactor, in NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cbackprop.reference.optimizers.optimizer import Array, Optimizer

__all__ = ["Adafactor"]


class Adafactor(Optimizer):
    """w = w - max(epsilon_2, rms(w)) min(learning_rate, 1 / sqrt(t)) u / max(1, rms(u) / clip_threshold)."""

    def update(self, learning_rate: float, iteration: int, w: Array, g: Array, *slots: Any) -> None:
        """u = g / sqrt(v), where v is the outer product of the means of rows and columns of g^2, for matrices."""
        spec = self.spec
        r, c, v = slots
        rest = iteration**spec.beta_2_decay
        squares = g * g + spec.epsilon_1
        if w.ndim < 2:
            v += rest * (squares - v)
        else:
            r += rest * (squares.mean(-1) - r)
            c += rest * (squares.mean(-2) - c)
            v = (r / r.mean(-1, keepdims=True))[..., None] * c[..., None, :]
        u = g / np.sqrt(v)
        rate = max(spec.epsilon_2, _rms(w)) * min(learning_rate, 1 / math.sqrt(iteration))
        w -= rate / max(1.0, _rms(u) / spec.clip_threshold) * u


def _rms(x: Array) -> float:
    return math.sqrt(np.square(x, dtype=np.float64).mean())
