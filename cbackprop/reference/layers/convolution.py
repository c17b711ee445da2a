"""Convolutions in NumPy: a product for each tap of the kernel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from cbackprop.contract.convolution import AXES, Geometry, reaching
from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["Convolution", "TransposedConvolution"]


class KernelLayer(Layer):
    """The base of convolutions and transposed convolutions."""

    @property
    def geometry(self) -> Geometry:
        """The sizes of the convolution."""
        geometry: Geometry = self.spec.geometry(self.input_shapes[0])
        return geometry

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        spec, geometry = self.spec, self.geometry
        kernel = (*spec.kernel_size, geometry.channels // geometry.groups, geometry.filters)
        bias = {"bias": (spec.filters,)} if spec.use_bias else {}
        return Fit(self.input_shapes, spec.output_sizes(geometry), {"kernel": kernel, **bias})


class Convolution(KernelLayer):
    """y = x * W + b: each position of y is the sum over taps of the x that the tap reads, times W."""

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The maps of the image."""
        (self.x,) = inputs
        y = convolved(self.geometry, self.x, parameters[0])
        if len(parameters) == 2:
            y += parameters[1]
        return y.reshape(len(self.x), *self.fit().output)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The image of the deltas, and for each tap the product of the inputs that it reads and the deltas."""
        geometry, kernel = self.geometry, parameters[0]
        gradients = [kernel_gradient(geometry, self.x, delta, kernel), delta.reshape(-1, delta.shape[-1]).sum(axis=0)]
        dx = image_of(geometry, delta, kernel).reshape(self.x.shape) if wanted[0] else delta
        return [dx], gradients[: len(parameters)]


class TransposedConvolution(KernelLayer):
    """y = b + the delta that a convolution would pass to its image if x were the delta of its maps."""

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The image of the maps."""
        (self.x,) = inputs
        y = image_of(self.geometry, self.x, parameters[0])
        if len(parameters) == 2:
            y += parameters[1]
        return y.reshape(len(self.x), *self.fit().output)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The maps of the deltas, and the gradient of the convolution with images and maps exchanged."""
        geometry, kernel = self.geometry, parameters[0]
        gradients = [kernel_gradient(geometry, delta, self.x, kernel), delta.reshape(-1, delta.shape[-1]).sum(axis=0)]
        dx = convolved(geometry, delta, kernel).reshape(self.x.shape) if wanted[0] else delta
        return [dx], gradients[: len(parameters)]


def convolved(g: Geometry, image: Array, kernel: Array) -> Array:
    """The maps (samples, depth, height, width, filters) of an image."""
    image = with_zeros(g, image.reshape(len(image), *g.image, g.channels))
    maps = np.zeros((len(image), *g.maps, g.groups, g.filters // g.groups), kernel.dtype)
    for places, weights in taps(g, kernel):
        maps += np.einsum("...gc,cgf->...gf", grouped(g, image[places]), weights)
    return maps.reshape(len(image), *g.maps, g.filters)


def image_of(g: Geometry, maps: Array, kernel: Array) -> Array:
    """The image (samples, depth, height, width, channels): the sum over taps of maps times weights."""
    maps = grouped(g, maps.reshape(len(maps), *g.maps, g.filters))
    image = with_zeros(g, np.zeros((len(maps), *g.image, g.channels), kernel.dtype))
    for places, weights in taps(g, kernel):
        image[places] += np.einsum("...gf,cgf->...gc", maps, weights).reshape(image[places].shape)
    return without_zeros(g, image)


def kernel_gradient(g: Geometry, image: Array, maps: Array, kernel: Array) -> Array:
    """The derivative by the kernel, given the derivative by the maps."""
    image = with_zeros(g, image.reshape(len(image), *g.image, g.channels))
    maps = grouped(g, maps.reshape(len(maps), *g.maps, g.filters)).reshape(-1, g.groups, g.filters // g.groups)
    gradient = np.zeros_like(kernel)
    for (places, _), part in zip(taps(g, kernel), by_taps(g, gradient), strict=True):
        read = grouped(g, image[places]).reshape(-1, g.groups, g.channels // g.groups)
        part[...] = np.einsum("pgc,pgf->cgf", read, maps)
    return gradient


def with_zeros(g: Geometry, image: Array) -> Array:
    """The image with the zeros around it that are read by taps that also read the image."""
    g, _ = reaching(g)
    ends = [
        max((maps - 1) * stride + (kernel - 1) * dilation + 1 - before - size, 0)
        for maps, stride, kernel, dilation, before, size in zip(
            g.maps, g.stride, g.kernel, g.dilation, g.before, g.image, strict=True
        )
    ]
    return np.pad(image, [(0, 0), *((max(before, 0), end) for before, end in zip(g.before, ends, strict=True)), (0, 0)])


def without_zeros(g: Geometry, image: Array) -> Array:
    """The inverse of `with_zeros`."""
    begins = [max(before, 0) for before in reaching(g)[0].before]
    inner = tuple(slice(begin, begin + size) for begin, size in zip(begins, g.image, strict=True))
    result: Array = image[(slice(None), *inner)]
    return result


def grouped(g: Geometry, values: Array) -> Array:
    """Split the axis of channels (or filters) into groups."""
    return values.reshape(*values.shape[:-1], g.groups, -1)


def by_taps(g: Geometry, kernel: Array) -> list[Array]:
    """Views of the kernel: for each tap that reaches the image, (channels of a group, groups, filters of a group)."""
    _, parts = reaching(g)
    weights = kernel.reshape(*g.kernel, g.channels // g.groups, g.groups, g.filters // g.groups)[parts]
    return [weights[tap] for tap in np.ndindex(weights.shape[:AXES])]


def taps(g: Geometry, kernel: Array) -> Iterator[tuple[Any, Array]]:
    """For each such tap: the slices that the positions of the maps read in the image with zeros, and the weights."""
    found, _ = reaching(g)
    for tap, weights in zip(np.ndindex(found.kernel), by_taps(g, kernel), strict=True):
        begins = [
            k * dilation + max(-before, 0)
            for k, dilation, before in zip(tap, found.dilation, found.before, strict=True)
        ]
        places = [
            slice(begin, begin + (count - 1) * stride + 1, stride)
            for begin, count, stride in zip(begins, g.maps, g.stride, strict=True)
        ]
        yield (slice(None), *places), weights
