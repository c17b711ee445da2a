"""Resizing of images in NumPy: y = A x B' with dense matrices A and B."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["Resizing"]


def cubic(d: Array) -> Array:
    """The cubic kernel with a = -0.5."""
    return np.where(d < 1, 1.5 * d**3 - 2.5 * d**2 + 1, np.where(d < 2, -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2, 0))


KERNELS = {
    "bilinear": lambda d: np.maximum(0, 1 - d),
    "bicubic": cubic,
    "lanczos3": lambda d: np.sinc(d) * np.sinc(d / 3) * (d < 3),
    "lanczos5": lambda d: np.sinc(d) * np.sinc(d / 5) * (d < 5),
}


def weights_along(resampling: Any, axis: int) -> Array:
    """The weight of each element of the axis in each output, (outputs, elements of the window)."""
    size, outputs = resampling.windows[axis].size, resampling.target[axis]
    centers = (np.arange(outputs) + 0.5) * size / outputs - 0.5
    if resampling.interpolation == "nearest":
        chosen = [math.floor((2 * number + 1) * size / (2 * outputs)) for number in range(outputs)]
        weights: Array = np.eye(size)[chosen]
        return weights
    stretch = max(size / outputs, 1) if resampling.antialias else 1
    weights = KERNELS[resampling.interpolation](np.abs(centers[:, None] - np.arange(size)) / stretch)
    return weights / weights.sum(axis=1, keepdims=True)


class Resizing(Layer):
    """y = A x B' + the part of the fill value; dx = A' dy B."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        *sizes, channels = self.input_shapes[0]
        resampling = self.spec.resampling_of(self.input_shapes[0])
        self.matrices, self.constants = [], []
        for axis, size in enumerate(sizes):
            weights = weights_along(resampling, axis)
            places = resampling.windows[axis].start + np.arange(resampling.windows[axis].size)
            seen = (places >= 0) & (places < size)
            matrix = np.zeros((len(weights), size))
            matrix[:, places[seen]] = weights[:, seen]
            self.matrices.append(matrix)
            self.constants.append(resampling.fill_value * weights[:, ~seen].sum(axis=1))
        return Fit(self.input_shapes, (*resampling.target, channels), {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The resized image."""
        (x,) = inputs
        tall, wide = (matrix.astype(x.dtype) for matrix in self.matrices)
        above, beside = (constants.astype(x.dtype) for constants in self.constants)
        rows = np.einsum("yi,bijc->byjc", tall, x) + above[:, None, None]
        y: Array = np.einsum("xj,byjc->byxc", wide, rows) + beside[:, None]
        return y

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The delta, through the transposed matrices."""
        tall, wide = (matrix.astype(delta.dtype) for matrix in self.matrices)
        return [np.einsum("yi,byjc->bijc", tall, np.einsum("xj,byxc->byjc", wide, delta))], []
