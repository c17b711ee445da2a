"""Layers that rearrange samples, in NumPy."""

from __future__ import annotations

import numpy as np

from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["Permute", "RepeatVector"]


class Permute(Layer):
    """y = x with its axes in another order; dx = dy with its axes in the old order."""

    def fit(self) -> Fit:
        """What the layer works on."""
        return Fit(self.input_shapes, tuple(self.input_shapes[0][dim - 1] for dim in self.spec.dims), {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The permuted input."""
        return inputs[0].transpose(0, *self.spec.dims)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The delta, permuted back."""
        return [delta.transpose(np.argsort([0, *self.spec.dims]))], []


class RepeatVector(Layer):
    """y = n times x; dx = the sum of dy over the repetitions."""

    def fit(self) -> Fit:
        """What the layer works on."""
        return Fit(self.input_shapes, (self.spec.n, *self.input_shapes[0]), {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The repeated input."""
        return np.repeat(inputs[0][:, None, :], self.spec.n, axis=1)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The sum over the repetitions."""
        return [delta.sum(axis=1)], []
