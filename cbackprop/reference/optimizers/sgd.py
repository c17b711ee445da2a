"""Stochastic gradient descent, in NumPy."""

from __future__ import annotations

from cbackprop.reference.optimizers.optimizer import Array, Optimizer

__all__ = ["SGD"]


class SGD(Optimizer):
    """w = w - rate g, with or without momentum."""

    def update(self, learning_rate: float, iteration: int, w: Array, g: Array, *slots: Array) -> None:
        """v = momentum v - rate g; w = w + v, or with Nesterov's w = w + momentum v - rate g."""
        step = learning_rate * g
        if not slots:
            w -= step
            return
        (v,) = slots
        v *= self.spec.momentum
        v -= step
        if self.spec.nesterov:
            w += self.spec.momentum * v - step
        else:
            w += v
