"""Layers that add or multiply noise, in NumPy."""

from __future__ import annotations

from cbackprop.reference import random
from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["GaussianDropout", "GaussianNoise"]


class GaussianNoise(Layer):
    """y = x + s n with normal n, dx = dy; y = x outside of training."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        return Fit(self.input_shapes, self.input_shapes[0], {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The noisy input."""
        (x,) = inputs
        return x + self.noise(x, batch) if batch.training else x

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The delta."""
        return [delta], []

    def noise(self, x: Array, batch: Batch) -> Array:
        """s n, in the shape of x."""
        first = batch.first * (x.size // len(x))
        n = random.normal(x.size, batch.iteration, self.spec.stream, self.node, first)
        return n.astype(x.dtype).reshape(x.shape) * x.dtype.type(self.spec.stddev)


class GaussianDropout(GaussianNoise):
    """y = x (1 + s n), dx = dy (1 + s n); y = x outside of training."""

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The noisy input."""
        (x,) = inputs
        self.factors = 1 + self.noise(x, batch) if batch.training else x.dtype.type(1)
        return x * self.factors

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The delta times the same factors."""
        return [delta * self.factors], []
