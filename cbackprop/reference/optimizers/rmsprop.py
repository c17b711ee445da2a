"""RMSprop, in NumPy."""

from __future__ import annotations

import numpy as np

from cbackprop.reference.optimizers.optimizer import Array, Optimizer

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """w = w - learning_rate g / sqrt(v + epsilon), with the running mean v of g^2."""

    def update(self, learning_rate: float, iteration: int, w: Array, g: Array, *slots: Array) -> None:
        """v += (1 - rho)(g^2 - v); if centered, a += (1 - rho)(g - a), and the root is taken of v - a^2."""
        spec = self.spec
        v = slots[0]
        v += (1 - spec.rho) * (g * g - v)
        spread = v
        if spec.centered:
            a = slots[1]
            a += (1 - spec.rho) * (g - a)
            spread = np.maximum(v - a * a, 0)
        step = learning_rate * g / np.sqrt(spread + spec.epsilon)
        if spec.momentum:
            m = slots[-1]
            m *= spec.momentum
            m += step
            step = m
        w -= step
