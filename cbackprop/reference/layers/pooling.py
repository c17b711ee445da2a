"""Pooling in NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["AveragePooling", "GlobalAveragePooling", "GlobalMaxPooling", "MaxPooling"]


def windows_along(spec: Any, axis: int, size: int) -> list[slice]:
    """The indices of each window along an axis."""
    if hasattr(spec, "output_size"):
        count = spec.output_size[axis]
        return [slice(i * size // count, ((i + 1) * size + count - 1) // count) for i in range(count)]
    pool, step = spec.pool_size[axis], spec.strides[axis]
    if spec.padding == "valid":
        return [slice(start, start + pool) for start in range(0, size - pool + 1, step)]
    count = (size + step - 1) // step
    first = -(max((count - 1) * step + pool - size, 0) // 2)
    return [slice(max(i, 0), min(i + pool, size)) for i in range(first, first + count * step, step)]


class WindowPooling(Layer):
    """Base of layers with one number for each window and channel."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        *sizes, channels = self.input_shapes[0]
        self.windows = [windows_along(self.spec, axis, size) for axis, size in enumerate(sizes)]
        return Fit(self.input_shapes[:1], (*map(len, self.windows), channels), {})

    def each(self) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        """The index of each window in the input, and of its number in the output."""
        for place in product(*(range(len(along)) for along in self.windows)):
            parts = [along[i] for along, i in zip(self.windows, place, strict=True)]
            yield (slice(None), *parts), (slice(None), *place)


class MaxPooling(WindowPooling):
    """The maximum of each window; its delta goes to the first one."""

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The maxima."""
        (self.x,) = inputs
        y = np.empty((len(self.x), *self.output_shape), self.x.dtype)
        for window, place in self.each():
            part = self.x[window]
            y[place] = part.reshape(len(part), -1, part.shape[-1]).max(axis=1)
        return y

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The delta where the maximum is."""
        dx = np.zeros_like(self.x)
        for window, place in self.each():
            part = self.x[window]
            flat = part.reshape(len(part), -1, part.shape[-1])
            first = np.arange(flat.shape[1])[:, None] == flat.argmax(axis=1)[:, None, :]
            dx[window] += (first * delta[place][:, None, :]).reshape(part.shape)
        return [dx], []


class AveragePooling(WindowPooling):
    """The mean of each window."""

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The means."""
        (self.x,) = inputs
        y = np.empty((len(self.x), *self.output_shape), self.x.dtype)
        for window, place in self.each():
            part = self.x[window]
            y[place] = part.reshape(len(part), -1, part.shape[-1]).mean(axis=1)
        return y

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """Equal shares of each window's delta."""
        dx = np.zeros_like(self.x)
        for window, place in self.each():
            shape = dx[window].shape
            share = delta[place] / np.prod(shape[1:-1])
            dx[window] += share.reshape(len(share), *(1,) * (len(shape) - 2), shape[-1])
        return [dx], []


class GlobalPooling(Layer):
    """Base of layers with one number for each channel. A second input is a mask of the positions."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        *sizes, channels = self.input_shapes[0]
        masks = [(int(np.prod(sizes)),)] * (len(self.input_shapes) - 1)
        ones = (1,) * (len(self.output_shape) - 1)
        output = (channels, *ones) if self.spec.data_format == "channels_first" else (*ones, channels)
        return Fit((self.input_shapes[0], *masks), output, {})

    def samples(self, x: Array) -> Array:
        """Samples as (batch, positions, channels)."""
        return x.reshape(len(x), -1, x.shape[-1])

    def arranged(self, dx: Array, wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The delta in the shape of the input, and a placeholder for the mask, which has no delta."""
        return [dx.reshape(len(dx), *self.input_shapes[0]), *[dx] * (len(wanted) - 1)], []


class GlobalAveragePooling(GlobalPooling):
    """The mean over positions that count."""

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The means; NaN where no position counts."""
        x = self.samples(inputs[0])
        counts = inputs[1] != 0 if len(inputs) > 1 else np.ones(x.shape[:2], bool)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.share = np.where(counts, 1 / counts.sum(axis=1, keepdims=True), 0)[:, :, None].astype(x.dtype)
            total = np.where(counts[:, :, None], x, 0).sum(axis=1) / counts.sum(axis=1, keepdims=True)
        y: Array = total.astype(x.dtype).reshape(len(x), *self.output_shape)
        return y

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """Equal shares for positions that count."""
        return self.arranged(self.share * delta.reshape(len(delta), 1, -1), wanted)


class GlobalMaxPooling(GlobalPooling):
    """The maximum over positions. Positions with equal maxima share its delta."""

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The maxima."""
        x = self.samples(inputs[0])
        y = x.max(axis=1, keepdims=True)
        self.hit = x == y
        return y.reshape(len(x), *self.output_shape)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """Equal shares for all maxima."""
        share = delta.reshape(len(delta), 1, -1) / np.maximum(self.hit.sum(axis=1, keepdims=True), 1)
        return self.arranged((self.hit * share).astype(delta.dtype), wanted)
