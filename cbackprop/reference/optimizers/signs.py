"""Optimizers that use only the signs of gradients, in NumPy."""

from __future__ import annotations

import numpy as np

from cbackprop.reference.optimizers.optimizer import Array, Optimizer

__all__ = ["Lion", "Rprop"]


class Lion(Optimizer):
    """w = w - learning_rate sign(beta_1 m + (1 - beta_1) g)."""

    def update(self, learning_rate: float, iteration: int, w: Array, g: Array, *slots: Array) -> None:
        """Then m = beta_2 m + (1 - beta_2) g."""
        spec = self.spec
        (m,) = slots
        w -= learning_rate * np.sign(spec.beta_1 * m + (1 - spec.beta_1) * g)
        m *= spec.beta_2
        m += (1 - spec.beta_2) * g


class Rprop(Optimizer):
    """w = w - sign(g) step, with a step size for each weight."""

    def update(self, learning_rate: float, iteration: int, w: Array, g: Array, *slots: Array) -> None:
        """step *= eta_plus where g keeps its sign; step *= eta_minus and g = 0 where the sign changes."""
        spec = self.spec
        earlier, step = slots
        change = np.sign(g) * np.sign(earlier)
        step[change > 0] *= spec.eta_plus
        step[change < 0] *= spec.eta_minus
        np.clip(step, spec.min_step, spec.max_step, out=step)
        earlier[...] = np.where(change < 0, 0, g)
        w -= np.sign(earlier) * step
