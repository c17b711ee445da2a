"""Up-sampling in NumPy: planes, rows and pixels are repeated."""

from __future__ import annotations

import numpy as np

from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["UpSampling"]


class UpSampling(Layer):
    """y[i, j, k] = x[i // f0, j // f1, k // f2]; dx = the sum of dy over the repetitions."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        *sizes, channels = self.input_shapes[0]
        self.factors = self.spec.factors
        grown = (size * factor for size, factor in zip(sizes, self.factors, strict=True))
        return Fit(self.input_shapes, (*grown, channels), {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The input, repeated along each axis."""
        (y,) = inputs
        for axis, factor in enumerate(self.factors, 1):
            y = np.repeat(y, factor, axis)
        return y

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The sum over the repetitions."""
        for axis, factor in enumerate(self.factors, 1):
            shape = (*delta.shape[:axis], -1, factor, *delta.shape[axis + 1 :])
            delta = delta.reshape(shape).sum(axis + 1)
        return [delta], []
