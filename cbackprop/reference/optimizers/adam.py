"""Adam, in NumPy."""

from __future__ import annotations

import math

import numpy as np

from cbackprop.reference.optimizers.optimizer import Array, Optimizer

__all__ = ["Adam"]


class Adam(Optimizer):
    """w = w - rate m / (sqrt(v) + epsilon), with running means m of g and v of g^2."""

    def update(self, learning_rate: float, iteration: int, w: Array, g: Array, *slots: Array) -> None:
        """m += (1 - beta_1)(g - m); v += (1 - beta_2)(g^2 - v)."""
        spec = self.spec
        m, v = slots[:2]
        m += (1 - spec.beta_1) * (g - m)
        v += (1 - spec.beta_2) * (g * g - v)
        if spec.amsgrad:
            v = np.maximum(slots[2], v, out=slots[2])
        rate = learning_rate * math.sqrt(1 - spec.beta_2**iteration) / (1 - spec.beta_1**iteration)
        w -= rate * m / (np.sqrt(v) + spec.epsilon)
