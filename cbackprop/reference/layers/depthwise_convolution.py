"""Depthwise convolutions in NumPy: for each tap, the inputs that it reads times its weights."""

from __future__ import annotations

import numpy as np

from cbackprop.contract.convolution import AXES, Geometry
from cbackprop.reference.layers.convolution import by_taps, taps, with_zeros, without_zeros
from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["Depthwise"]


class Depthwise(Layer):
    """y[..., c m + j] = the convolution of x[..., c] with kernel[..., c, j]; + b."""

    @property
    def geometry(self) -> Geometry:
        """The sizes of the convolution."""
        geometry: Geometry = self.spec.geometry(self.input_shapes[0])
        return geometry

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        geometry = self.geometry
        bias = {"bias": (geometry.filters,)} if self.spec.use_bias else {}
        output = (*geometry.maps[AXES - self.spec.rank :], geometry.filters)
        return Fit(self.input_shapes, output, {"kernel": self.spec.kernel_shape(geometry.channels), **bias})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The maps of each channel."""
        (self.x,) = inputs
        g = self.geometry
        image = with_zeros(g, self.x.reshape(len(self.x), *g.image, g.channels))
        y = np.zeros((len(self.x), *g.maps, *parameters[0].shape[-2:]), parameters[0].dtype)
        for places, weights in taps(g, parameters[0]):
            y += image[places][..., None] * weights[0]
        y = y.reshape(len(self.x), *self.fit().output)
        return y + parameters[1] if len(parameters) == 2 else y

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """Each tap adds delta times weights to dx where it read x, and x times delta to its weights' gradient."""
        g, kernel = self.geometry, parameters[0]
        image = with_zeros(g, self.x.reshape(len(self.x), *g.image, g.channels))
        deltas = delta.reshape(len(delta), *g.maps, *kernel.shape[-2:])
        dx, gradient = np.zeros_like(image), np.zeros_like(kernel)
        for (places, weights), part in zip(taps(g, kernel), by_taps(g, gradient), strict=True):
            dx[places] += (deltas * weights[0]).sum(axis=-1)
            read = image[places].reshape(-1, g.channels)
            part[0] = np.einsum("pc,pcm->cm", read, deltas.reshape(-1, *kernel.shape[-2:]))
        gradients = [gradient, delta.reshape(-1, delta.shape[-1]).sum(axis=0)]
        return [without_zeros(g, dx).reshape(self.x.shape)], gradients[: len(parameters)]
