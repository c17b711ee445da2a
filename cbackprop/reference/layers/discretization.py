"""Discretization in NumPy."""

from __future__ import annotations

import math

import numpy as np

from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["Discretization"]


class Discretization(Layer):
    """y = the number of boundaries <= x, or indicators or counts of it; dx = 0."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        if self.spec.output_mode == "int":
            return Fit(self.input_shapes, self.input_shapes[0], {})
        positions = math.prod(self.output_shape[:-1])
        tokens = math.prod(self.input_shapes[0]) // positions
        whole = positions * tokens == math.prod(self.input_shapes[0])
        rows = self.output_shape[:-1] if whole else self.input_shapes[0][:-1]
        return Fit(self.input_shapes, (*rows, self.spec.bins), {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """Bins, indicators or counts."""
        (x,) = inputs
        self.x = x
        spec = self.spec
        bins = np.searchsorted(spec.limits.astype(x.dtype), x, side="right")
        if spec.output_mode == "int":
            return bins.astype(x.dtype)
        tokens = math.prod(self.input_shapes[0]) // math.prod(self.output_shape[:-1])
        indicators = bins.reshape(len(x), tokens, *self.output_shape[:-1], 1) == np.arange(spec.bins)
        counts = indicators.sum(axis=1)
        y: Array = (counts if spec.output_mode == "count" else counts > 0).astype(x.dtype)
        return y

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """Zeros."""
        return [np.zeros_like(self.x)], []
