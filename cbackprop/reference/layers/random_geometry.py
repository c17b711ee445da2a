"""Images moved at random, in NumPy."""

from __future__ import annotations

import numpy as np

from cbackprop.reference import affine, random
from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = [
    "RandomCrop",
    "RandomFlip",
    "RandomGeometry",
    "RandomRotation",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
]


class RandomGeometry(Layer):
    """Base: `move` and `move_back` in training, with four random numbers for each sample; else `keep`, `keep_back`."""

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        ((height, width, channels),) = self.input_shapes
        self.sizes = height, width
        return Fit(self.input_shapes, (*self.spec.spatial_output(self.sizes, channels)[0], channels), {})

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The images, changed in training."""
        (x,) = inputs
        self.training = batch.training
        if not batch.training:
            return self.keep(x)
        numbers = random.uniform(4 * len(x), batch.iteration, self.spec.stream, self.node, 4 * batch.first)
        self.numbers = numbers.reshape(-1, 4)
        self.batch = batch
        return self.move(x)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """The deltas, moved back."""
        return [self.move_back(delta) if self.training else self.keep_back(delta)], []

    def move(self, x: Array) -> Array:
        """The output in training."""
        raise NotImplementedError

    def move_back(self, delta: Array) -> Array:
        """The delta of the input in training."""
        raise NotImplementedError

    def keep(self, x: Array) -> Array:
        """The output outside of training."""
        return x

    def keep_back(self, delta: Array) -> Array:
        """The delta of the input outside of training."""
        return delta


class RandomFlip(RandomGeometry):
    """Mirrors samples whose first number is below 1/2."""

    def move(self, x: Array) -> Array:
        """The images, some of them mirrored."""
        axes = tuple(axis for axis, flips in zip((1, 2), self.spec.flips_axes, strict=True) if flips)
        flipped = (self.numbers[:, 0] < 0.5)[:, None, None, None]
        return np.where(flipped, np.flip(x, axes), x)

    def move_back(self, delta: Array) -> Array:
        """The deltas, mirrored in the same way."""
        return self.move(delta)


class RandomCrop(RandomGeometry):
    """In training a window, at the same place in the whole batch; else the largest central part, resized."""

    def move(self, x: Array) -> Array:
        """The window that was drawn."""
        if not self.spec.moves_in(self.sizes):
            return self.keep(x)
        height, width = self.output_shape[:2]
        numbers = random.uniform(2, self.batch.iteration, self.spec.stream, self.node)
        top, left = (numbers * (np.subtract(self.sizes, (height, width)) + 1)).astype(int)
        self.window = np.s_[:, top : top + height, left : left + width]
        return x[self.window]

    def move_back(self, delta: Array) -> Array:
        """The delta in the window, 0 around it."""
        if not self.spec.moves_in(self.sizes):
            return self.keep_back(delta)
        result = np.zeros((len(delta), *self.input_shapes[0]), delta.dtype)
        result[self.window] = delta
        return result

    def keep(self, x: Array) -> Array:
        """The central part, resized."""
        top, left, height, width = self.spec.window_in(self.sizes)
        self.window = np.s_[:, top : top + height, left : left + width]
        maps, how = self.resized(len(x), (height, width))
        return affine.sample(x[self.window], maps, how)

    def keep_back(self, delta: Array) -> Array:
        """The deltas of this part, 0 around it."""
        result = np.zeros((len(delta), *self.input_shapes[0]), delta.dtype)
        part = result[self.window]
        part[...] = affine.sample_backward(delta, part.shape, *self.resized(len(delta), part.shape[1:3]))
        return result

    def resized(self, count: int, window: tuple[int, ...]) -> tuple[Array, affine.Sampling]:
        """The maps for the central part, and how they are applied."""
        sizes = self.output_shape[0], self.output_shape[1]
        maps = np.tile(affine.resizing((window[0], window[1]), sizes), (count, 1))
        return maps, affine.Sampling("nearest", "bilinear", 0.0, sizes)


class RandomAffine(RandomGeometry):
    """Base of layers whose `maps` turns random numbers into affine maps."""

    def move(self, x: Array) -> Array:
        """The images, transformed by the maps."""
        pairs = enumerate(self.spec.ranges)
        self.through = self.maps([lower + (upper - lower) * self.numbers[:, i] for i, (lower, upper) in pairs])
        return affine.sample(x, self.through, self.how())

    def move_back(self, delta: Array) -> Array:
        """The deltas of the pixels."""
        return affine.sample_backward(delta, (len(delta), *self.input_shapes[0]), self.through, self.how())

    def how(self) -> affine.Sampling:
        """The spec's arguments."""
        spec = self.spec
        return affine.Sampling(spec.fill_mode, spec.interpolation, spec.fill_value, self.sizes)

    def maps(self, drawn: list[Array]) -> Array:
        """The affine map of each sample, from its random numbers in their intervals."""
        raise NotImplementedError


class RandomTranslation(RandomAffine):
    """Shifts."""

    def maps(self, drawn: list[Array]) -> Array:
        """Down and to the right."""
        return affine.translation(drawn[0], drawn[1], *self.sizes)


class RandomRotation(RandomAffine):
    """Turns."""

    def maps(self, drawn: list[Array]) -> Array:
        """Counter-clockwise."""
        return affine.rotation(drawn[0], *self.sizes)


class RandomZoom(RandomAffine):
    """Zooms."""

    def maps(self, drawn: list[Array]) -> Array:
        """The zooms. By default, one number is used for both directions."""
        down, right = drawn
        return affine.zoom(down, down if self.spec.width_factor is None else right, *self.sizes)


class RandomShear(RandomAffine):
    """Shears."""

    def maps(self, drawn: list[Array]) -> Array:
        """The third number chooses the direction."""
        sign = np.where(self.numbers[:, 2] > 0.5, -1.0, 1.0)
        return affine.shear(sign * drawn[0], sign * drawn[1])
