"""The products of EinsumDense in NumPy."""

from __future__ import annotations

import numpy as np

from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["EinsumProduct"]


class EinsumProduct(Layer):
    """y = x K + c; dx = dy K^T, dK = sum of x^T dy over samples, for each b. K and c are gathered from kernel and
    bias."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        b, m, k, n = self.spec.counts
        return Fit(((b, m, k),), (b, m, n), self.spec.weight_shapes)

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The products plus the bias."""
        (self.x,) = inputs
        self.factors = parameters[0].ravel()[self.spec.kernel_places]
        y: Array = np.einsum("sbmk,bkn->sbmn", self.x, self.factors)
        if len(parameters) == 2:
            y += parameters[1].ravel()[self.spec.bias_places]
        return y

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """If several products share an array, its gradient is the sum of theirs."""
        gradients = [np.zeros_like(parameter) for parameter in parameters]
        by_factor = np.einsum("sbmk,sbmn->bkn", self.x, delta)
        np.add.at(gradients[0].reshape(-1), self.spec.kernel_places, by_factor)
        if len(parameters) == 2:
            np.add.at(gradients[1].reshape(-1), self.spec.bias_places, delta.sum(axis=0))
        return [np.einsum("sbmn,bkn->sbmk", delta, self.factors)], gradients
