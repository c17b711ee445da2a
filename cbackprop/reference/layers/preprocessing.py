"""Layers that prepare data, in NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["CategoryEncoding", "Masking", "Normalization", "Rescaling"]


class Rescaling(Layer):
    """y = x scale + offset, dx = dy scale."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        return Fit(self.input_shapes, self.input_shapes[0], {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """x scale + offset."""
        (x,) = inputs
        constants = (self.spec.constant(name, self.output_shape).astype(x.dtype) for name in ("scale", "offset"))
        self.scale, offset = constants
        y: Array = x * self.scale + offset
        return y

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The delta, scaled."""
        return [delta * self.scale], []


class Normalization(Layer):
    """y = (x - mean) / deviation, dx = dy / deviation; inverted y = x deviation + mean, dx = dy deviation."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        shape = self.spec.statistic_shape((None, *self.input_shapes[0]))
        names = () if self.spec.input_mean is not None else ("adapt_mean", "adapt_variance")
        return Fit(self.input_shapes, self.input_shapes[0], dict.fromkeys(names, shape))

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The normalized input."""
        (x,) = inputs
        given = parameters[:2] or [self.spec.input_mean, self.spec.input_variance]
        places = self.spec.places(self.output_shape)
        mean, variance = (np.ravel(value).astype(x.dtype)[places] for value in given)
        self.deviation = np.maximum(np.sqrt(variance), x.dtype.type(1e-7))
        y: Array = x * self.deviation + mean if self.spec.invert else (x - mean) / self.deviation
        return y

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The delta with the same factor; mean and variance have no gradients."""
        scaled = delta * self.deviation if self.spec.invert else delta / self.deviation
        return [scaled], [np.zeros_like(parameter) for parameter in parameters]


class CategoryEncoding(Layer):
    """y[c] = how often c is in x, or whether it is; dx = 0. With weights w, y[c] = sum of w where x = c; dw = dy[x]."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        positions = math.prod(self.output_shape[:-1])
        tokens = math.prod(self.input_shapes[0]) // positions
        whole = positions * tokens == math.prod(self.input_shapes[0])
        rows = self.output_shape[:-1] if whole else self.input_shapes[0][:-1]
        return Fit((self.input_shapes[0],) * len(self.input_shapes), (*rows, self.spec.num_tokens), {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """Indicators or counts."""
        x, *weights = self.inputs = inputs
        n = self.spec.num_tokens
        tokens = x.reshape(len(x), *self.output_shape[:-1], -1)
        known = (tokens >= 0) & (tokens < n)
        ids = np.where(known, tokens, 0).astype(np.int64)
        self.indicators = (ids[..., None] == np.arange(n)) & known[..., None]
        if weights:
            y: Array = (self.indicators * weights[0].reshape(tokens.shape)[..., None]).sum(axis=-2)
            return y
        counts: Array = self.indicators.sum(axis=-2)
        return (counts if self.spec.output_mode == "count" else counts > 0).astype(x.dtype)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """Zeros for the class numbers; for each weight the delta of its class."""
        x, *weights = self.inputs
        deltas = [(self.indicators * delta[..., None, :]).sum(axis=-1).reshape(w.shape) for w in weights]
        return [np.zeros_like(x), *deltas], []


class Masking(Layer):
    """y = x where any feature of a step differs from the mask value, else 0; dx likewise."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        return Fit(self.input_shapes, self.input_shapes[0], {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The masked input."""
        (x,) = inputs
        self.shown: Any = (x != x.dtype.type(self.spec.mask_value)).any(axis=-1, keepdims=True)
        return np.where(self.shown, x, x.dtype.type(0))

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The masked delta."""
        return [np.where(self.shown, delta, delta.dtype.type(0))], []
