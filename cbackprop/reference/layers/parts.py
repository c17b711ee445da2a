"""One of several outputs that are side by side in one array, in NumPy."""

from __future__ import annotations

import math

import numpy as np

from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["Part"]


class Part(Layer):
    """y = x[:, begin:end], dx = dy there and 0 elsewhere."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        size = self.spec.end - self.spec.begin
        return Fit(self.input_shapes, self.output_shape if math.prod(self.output_shape) == size else (size,), {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The part."""
        self.x = inputs[0]
        return inputs[0][:, self.spec.begin : self.spec.end].reshape(-1, *self.output_shape).copy()

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The delta at the elements of the part, and 0 elsewhere."""
        dx = np.zeros_like(self.x)
        dx[:, self.spec.begin : self.spec.end] = delta.reshape(len(delta), -1)
        return [dx], []
