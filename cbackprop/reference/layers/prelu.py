"""PReLU in NumPy."""

from __future__ import annotations

import numpy as np

from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["PReLU"]


class PReLU(Layer):
    """y = max(x, 0) + alpha min(x, 0); dalpha = sum of dy min(x, 0)."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        alpha = self.spec.alpha_shape((None, *self.input_shapes[0]))
        return Fit(self.input_shapes, self.input_shapes[0], {"alpha": alpha})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The rectified input."""
        (self.x,) = inputs
        y: Array = np.maximum(self.x, 0) + parameters[0] * np.minimum(self.x, 0)
        return y

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """Sums over the batch and the shared axes."""
        (alpha,) = parameters
        shared = tuple(axis for axis in range(1, delta.ndim) if alpha.shape[axis - 1] == 1)
        gradient = (delta * np.minimum(self.x, 0)).sum(axis=(0, *shared)).reshape(alpha.shape)
        return [delta * ((self.x > 0) + alpha * (self.x < 0))], [gradient]
