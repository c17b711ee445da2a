"""Convolutions of signals, images and volumes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from cbackprop import activations, constraints, initializers, regularizers
from cbackprop.contract.convolution import AXES, Geometry, three
from cbackprop.layers.layer import registry
from cbackprop.layers.spatial import SpatialLayer, sizes_for_axes
from cbackprop.tensor import Shape
from cbackprop.validation import check_boolean, check_choice, check_integer, named

if TYPE_CHECKING:
    from cbackprop.variable import Variable

__all__ = ["Conv1D", "Conv2D", "Conv3D", "KernelLayer"]


class KernelLayer(SpatialLayer):
    """Base of layers that sum over the positions of a kernel, and may add a bias.

    Parameters
    ----------
    kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, kernel_initializer,
    bias_initializer, kernel_regularizer, bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint
        See `Conv2D`.
    **kwargs
        See `Layer`.
    """

    paddings: ClassVar[tuple[str, ...]] = ("valid", "same")
    adjustable = ("activation",)

    def __init__(
        self,
        kernel_size: Any,
        strides: Any,
        padding: str,
        data_format: str | None,
        dilation_rate: Any,
        activation: Any,
        use_bias: bool,
        kernel_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        bias_regularizer: Any,
        activity_regularizer: Any,
        kernel_constraint: Any,
        bias_constraint: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format, activity_regularizer=activity_regularizer, **kwargs)
        self.kernel_size = sizes_for_axes("kernel_size", kernel_size, self.rank)
        self.strides = sizes_for_axes("strides", strides, self.rank)
        self.padding = check_choice("padding", str(padding).lower(), self.paddings)
        self.dilation_rate = sizes_for_axes("dilation_rate", dilation_rate, self.rank)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"strides > 1 cannot go together with dilation_rate > 1, but got strides={self.strides} and "
                f"dilation_rate={self.dilation_rate}."
            )
        self.activation = named("activation", activations.get, activation)
        self.use_bias = check_boolean("use_bias", use_bias)
        self.kernel_initializer = named("kernel_initializer", initializers.get, kernel_initializer)
        self.bias_initializer = named("bias_initializer", initializers.get, bias_initializer)
        self.kernel_regularizer = named("kernel_regularizer", regularizers.get, kernel_regularizer)
        self.bias_regularizer = named("bias_regularizer", regularizers.get, bias_regularizer)
        self.kernel_constraint = named("kernel_constraint", constraints.get, kernel_constraint)
        self.bias_constraint = named("bias_constraint", constraints.get, bias_constraint)
        self.kernel: Variable | None = None
        self.bias: Variable | None = None

    def kernel_shape(self, channels: int) -> tuple[int, ...]:
        """The shape of the kernel for an input of so many channels."""
        raise NotImplementedError

    def out_channels(self, channels: int) -> int:
        """The channels of the output."""
        raise NotImplementedError

    def build(self, input_shape: Shape) -> None:
        """Create kernel and bias."""
        self.compute_output_shape(input_shape)  # refuses what the layer cannot take
        channels = int(self.channels_last(input_shape)[-1] or 0)
        self.kernel = self.add_weight(
            self.kernel_shape(channels),
            self.kernel_initializer,
            name="kernel",
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = self._add_bias(self.out_channels(channels))

    def _add_bias(self, size: int) -> Variable | None:
        if not self.use_bias:
            return None
        return self.add_weight(
            (size,),
            self.bias_initializer,
            name="bias",
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
        )

    def check_built_for(self, input_shape: Shape) -> None:
        """Refuse an input with another number of channels than that of the first one."""
        if self.kernel is None:
            return  # a subclass may make other weights; the engine reports those that do not fit
        channels = int(self.channels_last(input_shape)[-1] or 0)
        if self.kernel.shape != self.kernel_shape(channels):
            raise ValueError(
                f"{type(self).__name__} {self.name!r} was built with a kernel of shape {self.kernel.shape}, but the "
                f"{channels} channels of an input of shape {input_shape} need {self.kernel_shape(channels)}."
            )


def positions_along(size: int, kernel: int, stride: int, dilation: int, padding: str) -> tuple[int, int]:
    """How many positions a kernel has along an axis, and the zeros in front of it: 0 or fewer if there are none."""
    reach = (kernel - 1) * dilation + 1
    if padding == "same":
        count = -(-size // stride)
        return count, max((count - 1) * stride + reach - size, 0) // 2
    before = reach - 1 if padding == "causal" else 0
    return (size + before - reach) // stride + 1, before


class Convolution(KernelLayer):
    """Base of Conv1D, Conv2D and Conv3D. Parameters: see `Conv2D`."""

    implementation = "convolution.Convolution"

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
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
        self.groups = check_integer("groups", groups, minimum=1)
        if self.filters % self.groups:
            raise ValueError(f"filters must be divisible by groups, but got filters={filters} and groups={groups}.")

    def kernel_shape(self, channels: int) -> tuple[int, ...]:
        """(*kernel_size, channels of a group, filters)."""
        return (*self.kernel_size, channels // self.groups, self.filters)

    def out_channels(self, channels: int) -> int:
        """The filters."""
        return self.filters

    def spatial_output(self, sizes: tuple[int, ...], channels: int) -> tuple[tuple[int, ...], int]:
        """The positions of the kernel along each axis, and the filters."""
        if channels % self.groups:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} has {self.groups} groups, but the {channels} channels of its "
                "input are not divisible by that."
            )
        counts = tuple(count for count, _ in self._positions(sizes))
        if min(counts) < 1:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} with kernel_size {self.kernel_size}, dilation_rate "
                f"{self.dilation_rate} and padding {self.padding!r} needs larger inputs than {sizes}: its output would "
                "be empty."
            )
        return counts, self.filters

    def _positions(self, sizes: tuple[int, ...]) -> list[tuple[int, int]]:
        axes = zip(sizes, self.kernel_size, self.strides, self.dilation_rate, strict=True)
        return [positions_along(*axis, self.padding) for axis in axes]

    def geometry(self, input_shape: tuple[int, ...]) -> Geometry:
        """The sizes of the convolution of a sample of this shape, channels last."""
        *sizes, channels = input_shape
        counts, before = zip(*self._positions(tuple(sizes)), strict=True)
        return Geometry(
            three(tuple(sizes)),
            three(counts),
            three(self.kernel_size),
            three(self.strides),
            three(self.dilation_rate),
            three(before, 0),
            channels,
            self.filters,
            self.groups,
        )

    def output_sizes(self, geometry: Geometry) -> tuple[int, ...]:
        """The shape of a sample of the output, channels last."""
        return (*geometry.maps[AXES - self.rank :], self.filters)

    def flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> int:
        """A multiplication and an addition for each position, tap, channel and filter."""
        return 2 * math.prod(output_shape) * math.prod(self.kernel_size) * (input_shapes[0][-1] // self.groups)

    def gradient_flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> list[int | None]:
        """Both are sums over samples and positions."""
        return [self.flops(input_shapes, output_shape), *([math.prod(output_shape)] if self.use_bias else [])]


@registry.register("Convolution1D")
class Conv1D(Convolution):
    """Convolution of a signal or sequence.

    TODO
    """

    rank = 1
    paddings = ("valid", "same", "causal")


@registry.register("Convolution2D")
class Conv2D(Convolution):
    """Convolution of an image.

    TODO
    """

    rank = 2


@registry.register("Convolution3D")
class Conv3D(Convolution):
    """Convolution of a volume.

    TODO
    """

    rank = 3
