"""Steps scaled by sums of squared gradients, in NumPy."""

from __future__ import annotations

import numpy as np

from cbackprop.reference.optimizers.optimizer import Array, Optimizer

__all__ = ["Adadelta", "Adagrad", "Ftrl"]


class Adagrad(Optimizer):
    """w = w - learning_rate g / sqrt(total + epsilon), with the sum of all g^2."""

    def update(self, learning_rate: float, iteration: int, w: Array, g: Array, *slots: Array) -> None:
        """total += g^2."""
        (total,) = slots
        total += g * g
        w -= learning_rate * g / np.sqrt(total + self.spec.epsilon)


class Adadelta(Optimizer):
    """w = w - learning_rate d, where d is g times the ratio of recent d to recent g."""

    def update(self, learning_rate: float, iteration: int, w: Array, g: Array, *slots: Array) -> None:
        """d = sqrt((steps + epsilon) / (squares + epsilon)) g, with running means of d^2 and of g^2."""
        rho, epsilon = self.spec.rho, self.spec.epsilon
        squares, steps = slots
        squares *= rho
        squares += (1 - rho) * g * g
        d = np.sqrt(steps + epsilon) * g / np.sqrt(squares + epsilon)
        steps *= rho
        steps += (1 - rho) * d * d
        w -= learning_rate * d


class Ftrl(Optimizer):
    """w from the sums of gradients; 0 where the sum is at most l1."""

    def update(self, learning_rate: float, iteration: int, w: Array, g: Array, *slots: Array) -> None:
        """total' = total + g^2; linear += g + 2 shrinkage w - (total'^p - total^p) / learning_rate w."""
        if learning_rate == 0:
            return
        spec = self.spec
        total, linear = slots
        before = total**-spec.learning_rate_power
        total += g * g
        after = total**-spec.learning_rate_power
        linear += g + 2 * spec.l2_shrinkage_regularization_strength * w - (after - before) / learning_rate * w
        quadratic = after / learning_rate + 2 * spec.l2_regularization_strength + spec.beta / learning_rate
        rest = np.clip(linear, -spec.l1_regularization_strength, spec.l1_regularization_strength) - linear
        w[...] = np.divide(rest, quadratic, out=np.zeros_like(w), where=quadratic > 0)
