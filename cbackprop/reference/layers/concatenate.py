"""Inputs side by side, in NumPy."""

from __future__ import annotations

import numpy as np

from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["Concatenate"]


class Concatenate(Layer):
    """The inputs side by side; each gets its part of the delta."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        axis = self.spec.positive_axis(len(self.input_shapes[0]) + 1) - 1
        first = self.input_shapes[0]
        read = tuple((*first[:axis], shape[axis], *first[axis + 1 :]) for shape in self.input_shapes)
        return Fit(read, (*first[:axis], sum(shape[axis] for shape in read), *first[axis + 1 :]), {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """All inputs along the axis."""
        self.axis = self.spec.positive_axis(inputs[0].ndim)
        self.ends = np.cumsum([x.shape[self.axis] for x in inputs])
        return np.concatenate(inputs, axis=self.axis)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """Slices of the delta."""
        return np.split(delta, self.ends[:-1], axis=self.axis), []
