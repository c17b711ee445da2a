"""Padding and cropping in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer, Shape

__all__ = ["Cropping", "Padding"]

Sides = list[tuple[int, int]]


def of_all_axes(sides: Any) -> Sides:
    """The sides of all axes: none for batch and channels."""
    return [(0, 0), *sides, (0, 0)]


def inner(array: Array, sides: Sides) -> Array:
    """The array without its sides."""
    return array[tuple(slice(before, size - after) for size, (before, after) in zip(array.shape, sides, strict=True))]


class Padding(Layer):
    """y = x with zeros around it; dx = the inner part of dy."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        (shape,) = self.input_shapes
        self.sides = of_all_axes(self.spec.sides_for(shape))
        return Fit(self.input_shapes, resized(shape, self.sides, 1), {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The input with zeros around it."""
        return np.pad(inputs[0], self.sides)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The inner part of the delta."""
        return [inner(delta, self.sides)], []


class Cropping(Layer):
    """y = the inner part of x; dx = dy with zeros around it."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        (shape,) = self.input_shapes
        self.sides = of_all_axes(self.spec.sides_for(shape))
        return Fit(self.input_shapes, resized(shape, self.sides, -1), {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The inner part of the input."""
        return inner(inputs[0], self.sides)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The delta with zeros around it."""
        return [np.pad(delta, self.sides)], []


def resized(shape: Shape, sides: Sides, sign: int) -> Shape:
    """The shape of a sample after its sides are added (sign 1) or removed (sign -1)."""
    return tuple(size + sign * sum(ends) for size, ends in zip(shape, sides[1:], strict=True))
