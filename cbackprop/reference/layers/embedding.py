"""Embedding in NumPy: y = table[x]."""

from __future__ import annotations

import numpy as np

from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["Embedding"]


class Embedding(Layer):
    """y = table[x]; dtable[r] = sum of dy where x = r, dx = 0.

    `rows` are the rows that the last batch has read; only they have a gradient.
    """

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        size = self.spec.input_dim, self.spec.output_dim
        return Fit(self.input_shapes, (*self.input_shapes[0], size[1]), {"embeddings": size})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """A row for each number."""
        (self.x,) = inputs
        self.ids = np.clip(np.nan_to_num(self.x), 0, self.spec.input_dim - 1).astype(np.int64)
        y: Array = parameters[0][self.ids]
        return y

    @property
    def rows(self) -> Array:
        """The rows that the last batch has read."""
        return np.unique(self.ids)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """For each row, the sum of the delta over the elements that read it."""
        gradient = np.zeros_like(parameters[0])
        np.add.at(gradient, self.ids, delta)
        return [np.zeros_like(self.x)], [gradient]
