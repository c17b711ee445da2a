"""Muon, in NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cbackprop.reference.optimizers.optimizer import Array, Optimizer

__all__ = ["Muon"]


class Muon(Optimizer):
    """w = w - learning_rate rms_rate sqrt(max(rows, columns)) orthogonal(momentum); Adam for variables with a v."""

    def update(self, learning_rate: float, iteration: int, w: Array, g: Array, *slots: Any) -> None:
        """m = momentum m + g; with Nesterov momentum, momentum m + g is used in place of m."""
        spec = self.spec
        m, v = slots
        if v is not None:
            self.update_by_adam(learning_rate * spec.adam_lr_ratio, iteration, w, g, m, v)
            return
        m *= spec.momentum
        m += g
        u = self.orthogonal(g + spec.momentum * m if spec.nesterov else m.copy())
        adjustment = 1.0 if spec.rms_rate is None else math.sqrt(max(w.shape)) * spec.rms_rate
        w -= learning_rate * adjustment * u

    def orthogonal(self, x: Array) -> Array:
        """Newton-Schulz steps x = a x + (b S + c S^2) x with S = x x^T, x having no more rows than columns."""
        spec = self.spec
        if x.shape[0] > x.shape[1]:
            return self.orthogonal(x.T).T
        x = x / (np.linalg.norm(x) + 1e-7)
        for _ in range(spec.ns_steps):
            square = x @ x.T
            x = spec.muon_a * x + (spec.muon_b * square + spec.muon_c * square @ square) @ x
        return x

    def update_by_adam(self, learning_rate: float, iteration: int, w: Array, g: Array, m: Array, v: Array) -> None:
        """See `Adam`."""
        spec = self.spec
        m += (1 - spec.adam_beta_1) * (g - m)
        v += (1 - spec.adam_beta_2) * (g * g - v)
        rate = learning_rate * math.sqrt(1 - spec.adam_beta_2**iteration) / (1 - spec.adam_beta_1**iteration)
        w -= rate * m / (np.sqrt(v) + spec.epsilon)
