"""Dot products in NumPy."""

from __future__ import annotations

import numpy as np

from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["Dot"]


class Dot(Layer):
    """y = a b^T for the matrices a and b of the vectors along the axes; da = dy b, db = dy^T a."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        axes = self.spec.positive_axes([(None, *shape) for shape in self.input_shapes])
        left = [
            size for axis, shape in zip(axes, self.input_shapes, strict=True) for size in np.delete(shape, axis - 1)
        ]
        return Fit(self.input_shapes, tuple(map(int, left)) or (1,), {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The products of all pairs of vectors."""
        self.axes = self.spec.positive_axes([x.shape for x in inputs])
        self.moved = [np.moveaxis(x, axis, -1) for x, axis in zip(inputs, self.axes, strict=True)]
        vectors = [x.reshape(len(x), -1, x.shape[-1]) for x in self.moved]
        self.scales = [self.scale(x) for x in vectors]
        self.a, self.b = (x * scale for x, scale in zip(vectors, self.scales, strict=True))
        y: Array = self.a @ self.b.transpose(0, 2, 1)
        return y.reshape(len(y), *self.output_shape)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The products with the other factor, passed back through the normalization."""
        dy = delta.reshape(len(delta), self.a.shape[1], self.b.shape[1])
        deltas = [dy @ self.b, dy.transpose(0, 2, 1) @ self.a]
        if self.spec.normalize:
            factors = zip(deltas, (self.a, self.b), self.scales, strict=True)
            deltas = [self.through_norm(d, y, scale) for d, y, scale in factors]
        shaped = [d.reshape(x.shape) for d, x in zip(deltas, self.moved, strict=True)]
        return [np.moveaxis(d, -1, axis) for d, axis in zip(shaped, self.axes, strict=True)], []

    def scale(self, x: Array) -> Array:
        """The factor of each vector: 1, or min(1 / |x|, 1 / epsilon) if vectors are normalized."""
        if not self.spec.normalize:
            return np.ones(1, x.dtype)
        with np.errstate(divide="ignore"):
            inverse = 1 / np.sqrt((x * x).sum(axis=-1, keepdims=True))
        return np.minimum(inverse, x.dtype.type(1 / self.spec.epsilon))

    def through_norm(self, delta: Array, y: Array, scale: Array) -> Array:
        """Return scale (delta - y (y . delta)), without the second term where epsilon limits the scale."""
        bounded = scale >= scale.dtype.type(1 / self.spec.epsilon)
        along = np.where(bounded, 0, (y * delta).sum(axis=-1, keepdims=True))
        return scale * (delta - along * y)
