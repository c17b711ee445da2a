"""The bins of numbers, in NumPy."""

from __future__ import annotations

import numpy as np

from cbackprop.reference.layers.layer import Array, Batch, Layer

__all__ = ["Discretization"]


class Discretization(Layer):
    """y = how many boundaries are at most x, or indicators or counts of that; dx = 0."""

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """Bins, indicators or counts."""
        (x,) = inputs
        self.x = x
        spec = self.spec
        bins = np.searchsorted(spec.limits.astype(x.dtype), x, side="right")
        if spec.output_mode == "int":
            return bins.astype(x.dtype)
        indicators = bins.reshape(len(x), *self.output_shape[:-1], -1, 1) == np.arange(spec.bins)
        counts = indicators.sum(axis=-2)
        y: Array = (counts if spec.output_mode == "count" else counts > 0).astype(x.dtype)
        return y

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """Zeros."""
        return [np.zeros_like(self.x)], []
