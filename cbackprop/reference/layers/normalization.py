"""Normalization of groups of a sample's elements, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["Normalization"]


class Normalization(Layer):
    """y = gamma u + beta with u = (x - shift) / r, where r^2 is the mean (or sum) of (x - center)^2, plus epsilon.

    Shift and center are each the mean of the group or 0. With g = gamma dy: dx = (g - a - b (x - center) / r) / r,
    where a is the mean of g if the mean was subtracted, else 0, and b is the mean (or sum) of g u.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        numbers = np.arange(np.prod(self.output_shape)).reshape(1, *self.output_shape)
        # Which elements of a sample make each group: (groups, repeats, run).
        self.order = self.spec.arrange(numbers)[0]
        self.shape = self.spec.parameter_shape(*self.order.shape)
        self.scales, self.centers = self.spec.gamma is not None, self.spec.beta is not None

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        shape = self.spec.weight_shape((None, *self.input_shapes[0]))
        weights = {name: shape for name in ("gamma", "beta") if getattr(self.spec, name) is not None}
        return Fit(self.input_shapes, self.input_shapes[0], weights)

    def grouped(self, x: Array) -> Array:
        """(batch, ...) as (batch, groups, repeats, run)."""
        return x.reshape(len(x), -1)[:, self.order]

    def restored(self, x: Array) -> Array:
        """The inverse of `grouped`."""
        result = np.empty((len(x), self.order.size), x.dtype)
        result[:, self.order] = x
        return result.reshape(-1, *self.output_shape)

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The normalized input."""
        spec, x = self.spec, self.grouped(inputs[0]).astype(np.float64)
        mean = x.mean(axis=(2, 3), keepdims=True)
        centered = x - mean if spec.about_mean else x
        squares = np.square(centered)
        spread = (squares.mean if spec.takes_mean else squares.sum)(axis=(2, 3), keepdims=True)
        with np.errstate(divide="ignore"):
            self.inverse = np.minimum(1 / np.sqrt(spread + spec.epsilon), spec.limit)
        self.centered = centered * self.inverse
        self.u = (x - mean if spec.subtracts_mean else x) * self.inverse
        y = self.u * parameters[0].reshape(self.shape) if self.scales else self.u
        if self.centers:
            y = y + parameters[-1].reshape(self.shape)
        return self.restored(y.astype(inputs[0].dtype))

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """Sums over the batch and over the elements that share a parameter."""
        spec, dy = self.spec, self.grouped(delta).astype(np.float64)
        g = dy * parameters[0].reshape(self.shape) if self.scales else dy
        a = g.mean(axis=(2, 3), keepdims=True) if spec.subtracts_mean else 0
        products = g * self.u
        b = (products.mean if spec.takes_mean else products.sum)(axis=(2, 3), keepdims=True)
        b = b * (self.inverse < spec.limit)
        dx = self.restored(((g - a - b * self.centered) * self.inverse).astype(delta.dtype))
        shared = (0, *(axis + 1 for axis, size in enumerate(self.shape) if size == 1))
        sums = [dy * self.u] * self.scales + [dy] * self.centers
        return [dx], [
            s.sum(axis=shared).reshape(p.shape).astype(delta.dtype) for s, p in zip(sums, parameters, strict=True)
        ]
