"""Layers that rearrange samples, in NumPy."""

from __future__ import annotations

import numpy as np

from cbackprop.reference.layers.layer import Array, Batch, Layer

__all__ = ["Permute", "RepeatVector"]


class Permute(Layer):
    """y = x with its axes in another order; dx = dy with its axes in the old order."""

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The permuted input."""
        return inputs[0].transpose(0, *self.spec.dims)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The delta, permuted back."""
        return [delta.transpose(np.argsort([0, *self.spec.dims]))], []


class RepeatVector(Layer):
    """y = n times x; dx = the sum of dy over the repetitions."""

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The repeated input."""
        return np.repeat(inputs[0][:, None, :], self.spec.n, axis=1)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The sum over the repetitions."""
        return [delta.sum(axis=1)], []
