"""Brightness and contrast of images changed at random, in NumPy."""

from __future__ import annotations

import numpy as np

from cbackprop.reference import random
from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["RandomBrightness", "RandomContrast"]


class RandomColor(Layer):
    """Base of layers that apply `change` and `change_back` in training."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        return Fit(self.input_shapes, self.input_shapes[0], {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The images, changed and clipped in training."""
        (x,) = inputs
        self.training = batch.training
        if not batch.training:
            return x
        numbers = random.uniform(4 * len(x), batch.iteration, self.spec.stream, self.node, 4 * batch.first)[::4]
        ((lower, upper),) = self.spec.ranges
        self.drawn = (lower + (upper - lower) * numbers).astype(x.dtype)[:, None, None, None]
        low, high = map(x.dtype.type, self.spec.value_range)
        changed = self.change(x)
        self.inside = (low <= changed) & (changed <= high)
        return np.clip(changed, low, high)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The delta of the elements that were not clipped."""
        if not self.training:
            return [delta], []
        return [self.change_back(np.where(self.inside, delta, delta.dtype.type(0)))], []

    def change(self, x: Array) -> Array:
        """The output before it is clipped."""
        raise NotImplementedError

    def change_back(self, delta: Array) -> Array:
        """The delta of the input, from the delta of the output of `change`."""
        raise NotImplementedError


class RandomBrightness(RandomColor):
    """y = x + s."""

    def change(self, x: Array) -> Array:
        """The images plus a random number."""
        return x + self.drawn

    def change_back(self, delta: Array) -> Array:
        """The delta."""
        return delta


class RandomContrast(RandomColor):
    """y = (x - m) c + m with the mean m of each image's channels."""

    def change(self, x: Array) -> Array:
        """The images with other contrast."""
        mean = x.mean(axis=(1, 2), keepdims=True, dtype=np.float64).astype(x.dtype)
        return (x - mean) * self.drawn + mean

    def change_back(self, delta: Array) -> Array:
        """With g = dy: c g + (1 - c) mean(g)."""
        mean = delta.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
        return self.drawn * delta + ((1 - self.drawn.astype(np.float64)) * mean).astype(delta.dtype)
