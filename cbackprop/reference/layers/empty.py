"""What stands in for a layer whose inputs, or whose output, have an axis of size 0: there are no numbers to compute."""

from __future__ import annotations

from typing import Any

import numpy as np

from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["Empty"]


class Empty(Layer):
    """An output without numbers, or of zeros as sums over nothing; derivatives are 0."""

    rows = np.zeros(0, np.intp)  # of a table that it reads

    def fit(self) -> Fit:
        """Whatever it is given."""
        return Fit(tuple(self.input_shapes), self.output_shape, None)

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """Zeros in the output's shape, if there are any."""
        self.inputs = inputs
        return np.zeros((len(inputs[0]), *self.output_shape), inputs[0].dtype)

    def backward(self, delta: Array, parameters: list[Any], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """Zeros."""
        return [np.zeros_like(x) for x in self.inputs], [np.zeros_like(parameter) for parameter in parameters]
