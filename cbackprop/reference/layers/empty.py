"""The replacement of a layer whose inputs or output have an axis of size 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["Empty"]


class Empty(Layer):
    """The output is empty, or zeros (sums over nothing); gradients are 0."""

    rows = np.zeros(0, np.intp)  # of a layer that reads rows of a table

    def fit(self) -> Fit:
        """Any shapes."""
        return Fit(tuple(self.input_shapes), self.output_shape, None)

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """Zeros in the output's shape."""
        self.inputs = inputs
        return np.zeros((len(inputs[0]), *self.output_shape), inputs[0].dtype)

    def backward(self, delta: Array, parameters: list[Any], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """Zeros."""
        return [np.zeros_like(x) for x in self.inputs], [np.zeros_like(parameter) for parameter in parameters]
