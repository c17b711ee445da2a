"""Transposed convolutions, which make larger signals, images and volumes of smaller ones."""

from __future__ import annotations

import math
from typing import Any

from cbackprop.contract.convolution import AXES, Geometry, three
from cbackprop.layers.convolution import KernelLayer
from cbackprop.layers.layer import registry
from cbackprop.layers.spatial import sizes_for_axes
from cbackprop.validation import check_integer

__all__ = ["Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"]


def size_along(
    size: int, kernel: int, stride: int, dilation: int, padding: str, output_padding: int | None
) -> tuple[int, int]:
    """The size of the output along an axis, and how many numbers in front of it are dropped.

    The taps of all positions reach over (size - 1) stride + reach numbers.
    """
    reach = (kernel - 1) * dilation + 1
    if padding == "valid":
        return (size - 1) * stride + (max(reach, stride) if output_padding is None else reach + output_padding), 0
    if output_padding is None:
        more = stride + reach - 2  # makes it size * stride
    else:
        more = reach + reach % 2 - 2 + output_padding
    return (size - 1) * stride + 2 - reach + more, reach - 1 - min((more + 1) // 2, reach - 1)


class TransposedConvolution(KernelLayer):
    """Base of Conv1DTranspose, Conv2DTranspose and Conv3DTranspose. Parameters: see `Conv2DTranspose`."""

    implementation = "convolution.TransposedConvolution"

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, kernel_initializer,
            bias_initializer, kernel_regularizer, bias_regularizer, activity_regularizer, kernel_constraint,
            bias_constraint, **kwargs,
        )  # fmt: skip
        self.filters = check_integer("filters", filters, minimum=1)
        self.output_padding: tuple[int, ...] | None = None
        if output_padding is not None:
            self.output_padding = sizes_for_axes("output_padding", output_padding, self.rank, minimum=0)
            if any(more >= stride for more, stride in zip(self.output_padding, self.strides, strict=True)):
                raise ValueError(
                    f"output_padding must be smaller than strides along each axis, but got output_padding="
                    f"{self.output_padding} and strides={self.strides}."
                )

    def kernel_shape(self, channels: int) -> tuple[int, ...]:
        """(*kernel_size, filters, channels of the input)."""
        return (*self.kernel_size, self.filters, channels)

    def out_channels(self, channels: int) -> int:
        """The filters."""
        return self.filters

    def spatial_output(self, sizes: tuple[int, ...], channels: int) -> tuple[tuple[int, ...], int]:
        """The sizes of the image, and the filters."""
        found = tuple(size for size, _ in self._sizes(sizes))
        if min(found) < 1:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} with kernel_size {self.kernel_size}, padding {self.padding!r} "
                f"and output_padding {self.output_padding} needs larger inputs than {sizes}: its output would be empty."
            )
        return found, self.filters

    def _sizes(self, sizes: tuple[int, ...]) -> list[tuple[int, int]]:
        more = self.output_padding or (None,) * self.rank
        axes = zip(sizes, self.kernel_size, self.strides, self.dilation_rate, strict=True)
        return [size_along(*axis, self.padding, one) for axis, one in zip(axes, more, strict=True)]

    def geometry(self, input_shape: tuple[int, ...]) -> Geometry:
        """The sizes of the convolution whose maps the input is."""
        *sizes, channels = input_shape
        found, before = zip(*self._sizes(tuple(sizes)), strict=True)
        return Geometry(
            three(found),
            three(tuple(sizes)),
            three(self.kernel_size),
            three(self.strides),
            three(self.dilation_rate),
            three(before, 0),
            self.filters,
            channels,
            1,
        )

    def output_sizes(self, geometry: Geometry) -> tuple[int, ...]:
        """The shape of a sample of the output, channels last."""
        return (*geometry.image[AXES - self.rank :], self.filters)

    def flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> int:
        """A multiplication and an addition for each position of the input, tap, channel and filter."""
        return 2 * math.prod(input_shapes[0]) * math.prod(self.kernel_size) * self.filters

    def gradient_flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> list[int | None]:
        """Both are sums over samples and positions."""
        return [self.flops(input_shapes, output_shape), *([math.prod(output_shape)] if self.use_bias else [])]


@registry.register("Convolution1DTranspose")
class Conv1DTranspose(TransposedConvolution):
    """Transposed convolution of a signal or sequence.

    TODO
    """

    rank = 1


@registry.register("Convolution2DTranspose")
class Conv2DTranspose(TransposedConvolution):
    """Transposed convolution of an image.

    TODO
    """

    rank = 2


@registry.register("Convolution3DTranspose")
class Conv3DTranspose(TransposedConvolution):
    """Transposed convolution of a volume.

    TODO
    """

    rank = 3
