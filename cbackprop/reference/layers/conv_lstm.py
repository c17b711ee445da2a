"""ConvLSTM in NumPy: an LSTM whose products are convolutions."""

from __future__ import annotations

import math

from cbackprop.reference.layers.convolution import convolved, image_of, kernel_gradient
from cbackprop.reference.layers.layer import Array
from cbackprop.reference.layers.recurrent_cells import LSTM

__all__ = ["ConvLSTM"]


class ConvLSTM(LSTM):
    """Gates i, f, g, o of each position: convolutions of input and state h, in groups if dropout masks differ."""

    @property
    def state_shape(self) -> tuple[int, ...]:
        """(*sizes, filters)."""
        shape: tuple[int, ...] = self.spec.state_shape
        return shape

    @property
    def block(self) -> int:  # type: ignore[override]
        """The filters."""
        return self.state_shape[-1]

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of W, U and b."""
        taps, width = self.spec.kernel_size, 4 * self.block
        channels = self.input_shapes[0][-1] // self.spec.input_masks
        return {
            "kernel": (*taps, channels, width),
            "recurrent_kernel": (*taps, self.block, width),
            "bias": (width,),
        }

    def project(self, x: Array, parameters: list[Array]) -> Array:
        """z = x * W + b of all time steps."""
        rows, length, *image = x.shape
        z = convolved(self.spec.input_geometry(tuple(image)), x.reshape(-1, *image), parameters[0])
        return (z + self._bias(parameters)[0]).reshape(rows, length, -1)

    def project_back(self, dz: Array, parameters: list[Array], gradients: list[Array]) -> Array:
        """Compute dx from dz, and add to the gradients of W and b."""
        image = self.x.shape[2:]
        geometry = self.spec.input_geometry(image)
        flat = dz.reshape(dz.shape[0] * dz.shape[1], -1)
        gradients[0] += kernel_gradient(geometry, self.x.reshape(-1, *image), flat, parameters[0])
        if self.spec.use_bias:
            gradients[2] += dz.reshape(-1, 4 * self.block).sum(axis=0)
        return image_of(geometry, flat, parameters[0]).reshape(self.x.shape)

    def spread(self, h: Array) -> Array:
        """The states as (rows, positions, masks, filters); the axis of masks may have size 1."""
        return h.reshape(len(h), -1, 1, self.block)

    def mask_shape(self, rows: int) -> tuple[int, ...]:
        """The shape of the states' dropout factors."""
        return rows, math.prod(self.state_shape[:-1]), self.spec.recurrent_masks, self.block

    def product(self, used: Array, parameters: list[Array]) -> Array:
        """The states' term of z: their convolution with U."""
        geometry = self.spec.state_geometry(self.x.shape[2:])
        return convolved(geometry, used.reshape(len(used), -1), parameters[1]).reshape(len(used), -1)

    def product_back(self, used: Array, dz: Array, parameters: list[Array], gradients: list[Array]) -> Array:
        """The delta of the states, after dropout, that were multiplied. Adds to the gradient of U."""
        geometry = self.spec.state_geometry(self.x.shape[2:])
        gradients[1] += kernel_gradient(geometry, used.reshape(len(used), -1), dz, parameters[1])
        return image_of(geometry, dz, parameters[1]).reshape(used.shape)
