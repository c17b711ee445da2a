"""Layers that change each element separately, in NumPy."""

from __future__ import annotations

import numpy as np

from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["Absolute"]


class Absolute(Layer):
    """y = |x|; dx = dy sign(x)."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        return Fit(self.input_shapes, self.input_shapes[0], {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The absolute values."""
        (self.x,) = inputs
        return np.abs(self.x)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The delta times the sign of x."""
        return [delta * np.sign(self.x)], []
