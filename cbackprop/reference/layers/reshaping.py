"""Layers that rearrange samples, in NumPy."""

from __future__ import annotations

import numpy as np

from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["GetItem", "Permute", "RepeatVector"]


class Permute(Layer):
    """y = x with its axes in another order; dx = dy with its axes in the old order."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        return Fit(self.input_shapes, tuple(self.input_shapes[0][dim - 1] for dim in self.spec.dims), {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The permuted input."""
        return inputs[0].transpose(0, *self.spec.dims)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The delta, permuted back."""
        return [delta.transpose(np.argsort([0, *self.spec.dims]))], []


class RepeatVector(Layer):
    """y = x repeated n times; dx = the sum of dy over the repetitions."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        return Fit(self.input_shapes, (self.spec.n, *self.input_shapes[0]), {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The repeated input."""
        return np.repeat(inputs[0][:, None, :], self.spec.n, axis=1)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The sum over the repetitions."""
        return [delta.sum(axis=1)], []


class GetItem(Layer):
    """y = a part of x; dx = dy at its elements, and 0 elsewhere."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        return Fit(self.input_shapes, self.spec.places(self.input_shapes[0]).shape, {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The part."""
        (self.input_shape,) = self.input_shapes
        self.places = self.spec.places(self.input_shape)
        return inputs[0].reshape(len(inputs[0]), -1)[:, self.places]

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The delta at the elements of the part, and 0 elsewhere."""
        whole = np.zeros((len(delta), int(np.prod(self.input_shape))), delta.dtype)
        whole[:, self.places] = delta
        return [whole.reshape(len(delta), *self.input_shape)], []
