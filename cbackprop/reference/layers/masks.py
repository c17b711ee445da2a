"""Masks in NumPy: arrays with 0 or 1 for each row of a layer's output."""

from __future__ import annotations

import math

import numpy as np

from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["Chosen", "Differs", "Merged", "PythonMask"]


class Differs(Layer):
    """1 where any feature differs from a value."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        whole = math.prod(self.output_shape) * self.spec.features == math.prod(self.input_shapes[0])
        read = self.input_shapes if whole else ((*self.output_shape, self.spec.features),)
        return Fit(read, self.output_shape, {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The mask."""
        x = inputs[0].reshape(-1, *self.output_shape, self.spec.features)
        return (x != x.dtype.type(self.spec.value)).any(axis=-1).astype(x.dtype)


class Merged(Layer):
    """1 where any mask is 1, or where `always` is."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        return Fit(self.input_shapes, self.output_shape, {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The mask."""
        samples = len(inputs[0])
        shown = [
            (mask.reshape(samples, -1)[:, source] != 0) & (source >= 0)
            for mask, source in zip(inputs, self.spec.sources, strict=True)
        ]
        merged = sum(shown) + self.spec.always > 0
        return merged.reshape(samples, *self.output_shape).astype(inputs[0].dtype)


class PythonMask(Layer):
    """The result of `compute_mask`."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        return Fit(self.input_shapes, self.output_shape, {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The mask."""
        mask: Array = self.spec.compute([x.copy() for x in inputs], self.output_shape)
        return mask


class Chosen(Layer):
    """y = x where the mask is 1, else a number or another input; dx likewise."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        shape = self.output_shape
        return Fit((shape, shape[:-1], shape)[: len(self.input_shapes)], shape, {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The chosen rows."""
        x, mask, *other = inputs
        self.shown = mask[..., np.newaxis] != 0
        return np.where(self.shown, x, other[0] if other else x.dtype.type(self.spec.value))

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The delta of each row, for the input that the row came from."""
        return [np.where(self.shown, delta, 0), delta[..., 0], np.where(self.shown, 0, delta)][: len(wanted)], []
