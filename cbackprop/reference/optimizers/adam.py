"""Adam and its relatives, in NumPy."""

from __future__ import annotations

import math

import numpy as np

from cbackprop.reference.optimizers.optimizer import Array, Optimizer

__all__ = ["Adam", "Adamax", "Lamb", "Nadam", "ScheduleFreeAdamW"]


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


class Adamax(Optimizer):
    """w = w - learning_rate m / ((1 - beta_1^t) (u + epsilon)), with the largest recent |g| as u."""

    def update(self, learning_rate: float, iteration: int, w: Array, g: Array, *slots: Array) -> None:
        """m += (1 - beta_1)(g - m); u = max(beta_2 u, |g|)."""
        spec = self.spec
        m, u = slots
        m += (1 - spec.beta_1) * (g - m)
        np.maximum(spec.beta_2 * u, np.abs(g), out=u)
        w -= learning_rate / (1 - spec.beta_1**iteration) * m / (u + spec.epsilon)


class Nadam(Optimizer):
    """Adam with Nesterov momentum, which grows from step to step."""

    def momentum(self, t: int) -> float:
        """u_t."""
        return float(self.spec.beta_1 * (1 - 0.5 * 0.96**t))

    def update(self, learning_rate: float, iteration: int, w: Array, g: Array, *slots: Array) -> None:
        """m and v as in Adam; w -= learning_rate (a m + b g) / (sqrt(v') + epsilon)."""
        spec = self.spec
        m, v = slots
        m += (1 - spec.beta_1) * (g - m)
        v += (1 - spec.beta_2) * (g * g - v)
        now, then = self.momentum(iteration), self.momentum(iteration + 1)
        product = math.prod(self.momentum(t) for t in range(1, iteration + 1))
        direction = then / (1 - product * then) * m + (1 - now) / (1 - product) * g
        w -= learning_rate * direction / (np.sqrt(v / (1 - spec.beta_2**iteration)) + spec.epsilon)


class Lamb(Optimizer):
    """A step in the direction of Adam, with the length learning_rate times the norm of the weights."""

    def update(self, learning_rate: float, iteration: int, w: Array, g: Array, *slots: Array) -> None:
        """m and v as in Adam; w -= learning_rate |w| / |u| u, with u = m' / (sqrt(v') + epsilon)."""
        spec = self.spec
        m, v = slots
        m += (1 - spec.beta_1) * (g - m)
        v += (1 - spec.beta_2) * (g * g - v)
        u = m / (1 - spec.beta_1**iteration) / (np.sqrt(v / (1 - spec.beta_2**iteration)) + spec.epsilon)
        weights, direction = np.linalg.norm(w), np.linalg.norm(u)
        ratio = weights / direction if weights > 0 and direction > 0 else 1.0
        w -= float(learning_rate * ratio) * u


class ScheduleFreeAdamW(Optimizer):
    """w = (1 - beta_1) z + beta_1 x, where steps of RMSprop update z, and x is the average of all z."""

    def update(self, learning_rate: float, iteration: int, w: Array, g: Array, *slots: Array) -> None:
        """z -= rate g / (sqrt(v') + epsilon); x += (z - x) / t. x is not stored: beta_1 x = w - (1 - beta_1) z."""
        spec = self.spec
        z, v = slots
        if iteration < spec.warmup_steps:
            learning_rate *= iteration / spec.warmup_steps
        scaled_x = w - (1 - spec.beta_1) * z
        v += (1 - spec.beta_2) * (g * g - v)
        z -= learning_rate * g / (np.sqrt(v / (1 - spec.beta_2**iteration)) + spec.epsilon)
        scaled_x += (spec.beta_1 * z - scaled_x) / iteration
        w[...] = (1 - spec.beta_1) * z + scaled_x
