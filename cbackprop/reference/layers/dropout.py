"""Dropout in NumPy."""

from __future__ import annotations

import math

import numpy as np

from cbackprop.reference import random
from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["AlphaDropout", "Dropout"]


class Dropout(Layer):
    """y = m x / (1 - rate), dx = m dy / (1 - rate) with a random mask m; y = x outside of training."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        return Fit(self.input_shapes, self.input_shapes[0], {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The masked and scaled input."""
        (x,) = inputs
        keep = 1 - self.spec.rate
        self.active = batch.training and keep < 1
        if not self.active:
            return x
        noise = (1 if self.spec.shares_noise else len(x), *self.spec.sample_noise_shape(self.output_shape))
        first = 0 if self.spec.shares_noise else batch.first * math.prod(noise[1:])
        mask = random.mask(math.prod(noise), keep, batch.iteration, self.spec.stream, self.node, first)
        self.mask = mask.reshape(noise)
        self.scale = x.dtype.type(1 / keep if keep > 0 else 0)
        return self.apply(x)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The masked and scaled delta."""
        return [self.masked(delta) if self.active else delta], []

    def apply(self, x: Array) -> Array:
        """The output in training."""
        return self.masked(x)

    def masked(self, x: Array) -> Array:
        """m x / (1 - rate)."""
        return np.where(self.mask, x * self.scale, x.dtype.type(0))


class AlphaDropout(Dropout):
    """y = a x + b where the mask is 1, else a s + b with selu's limit s; dx = a m dy."""

    def apply(self, x: Array) -> Array:
        """The output in training."""
        a, b, dropped = map(x.dtype.type, self.spec.coefficients)
        self.scale = a
        return np.where(self.mask, a * x + b, dropped)
