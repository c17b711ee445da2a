"""The base of layers over signals, images and volumes: the axis of the channels, and sizes for each other axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from cbackprop.config import check_data_format
from cbackprop.contract.expansion import Mask, Steps, Value
from cbackprop.layers.layer import Layer
from cbackprop.layers.operation import Operation
from cbackprop.layers.unknown_sizes import fits, shape_between
from cbackprop.tensor import Shape
from cbackprop.validation import ArgumentTypeError, check_integer

__all__ = ["SIZES", "AxesLayer", "ImageLayer", "SpatialLayer", "Transposed", "in_tuples", "sizes_for_axes"]

# Arguments that are kept as a number for each axis, or two.
SIZES = (
    *("kernel_size", "strides", "dilation_rate", "output_padding", "pool_size", "output_size"),
    *("padding", "cropping", "size"),
)


def sizes_for_axes(name: str, value: Any, rank: int, minimum: int = 1) -> tuple[int, ...]:
    """A whole number for each of `rank` axes; a single one counts for all.

    Raises
    ------
    TypeError, ValueError
        If it is neither a whole number nor `rank` of them, or one is smaller than `minimum`.
    """
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        if len(value) != rank:
            raise ValueError(f"{name} must be a whole number or {rank} of them, but got {value!r}.")
        return tuple(check_integer(f"{name}[{i}]", size, minimum) for i, size in enumerate(value))
    try:
        return (check_integer(name, value, minimum),) * rank
    except TypeError:
        raise ArgumentTypeError(f"{name} must be a whole number or {rank} of them, but got {value!r}.") from None


def in_tuples(value: Any) -> Any:
    """Lists, also within lists, as tuples."""
    return tuple(map(in_tuples, value)) if isinstance(value, list) else value


class Transposed(Operation):
    """A sample with its axes in another order.

    Parameters
    ----------
    name, dtype
        See `Operation`.
    dims : tuple of int
        The axis of the input, counted from 1, that becomes each axis of the output.
    """

    implementation = "reshaping.Permute"
    reads_output = False
    rearranges = True

    def __init__(self, name: str, dtype: str, dims: tuple[int, ...]) -> None:
        super().__init__(name, dtype)
        self.dims = dims


class AxesLayer(Layer):
    """Base of layers over samples with `rank` axes and channels, which are the last axis if no constructor asks.

    Subclasses define `spatial_output`.

    Parameters
    ----------
    **kwargs
        See `Layer`.
    """

    rank: ClassVar[int]
    reads_output = False
    data_format: str = "channels_last"

    def spatial_output(self, sizes: tuple[int, ...], channels: int) -> tuple[tuple[int, ...], int]:
        """Sizes and channels of the output for an input of these; ``ValueError`` if the layer cannot take it."""
        return sizes, channels

    @property
    def channel_axis(self) -> int:
        """The axis of the channels, where 0 is that of the batch."""
        return 1 if self.data_format == "channels_first" else self.rank + 1

    def channels_last(self, shape: Shape) -> Shape:
        """The shape, the batch axis included, with the channels as last axis."""
        return (shape[0], *shape[2:], shape[1]) if self.data_format == "channels_first" else shape

    def operation_on(self, input_shape: tuple[int, ...]) -> Operation:
        """The operation that computes samples of this shape, channels last: by default the layer itself."""
        return self

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the output; sizes that depend on an unknown one are unknown.

        Raises
        ------
        ValueError
            If the input has another number of axes, or is too small.
        """
        if not isinstance(input_shape, tuple) or len(input_shape) != self.rank + 2:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} needs inputs of {self.rank + 2} axes, the batch included, "
                f"but got shape {input_shape}."
            )
        return shape_between(self._known_output_shape, input_shape)

    def _known_output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the output where all sizes but that of the batch are known."""
        batch, *sizes, channels = self.channels_last(input_shape)
        found, found_channels = self.spatial_output(tuple(int(size or 0) for size in sizes), int(channels or 0))
        first = self.data_format == "channels_first"
        return self.activated((batch, found_channels, *found) if first else (batch, *found, found_channels))

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments as plain values. Those with a number for each axis are tuples, as in Keras."""
        config = super().get_config()
        named = [name for name in SIZES if isinstance(config.get(name), list)]
        return config | {name: in_tuples(config[name]) for name in named if isinstance(getattr(self, name, 0), tuple)}

    def expand(self, steps: Steps, inputs: list[Value], shape: tuple[int, ...], mask: Mask | None) -> Value:
        """Add the steps of the layer. If channels come first, further steps move them."""
        function = self.function
        before = shape if function is None else function.input_shape(shape)
        if self.data_format == "channels_last":
            return self.expand_activation(steps, self.expand_spatial(steps, inputs[0], before), shape)
        last = range(1, self.rank + 1)
        to_last = Transposed(f"{self.name}/channels_last", self.dtype, (*(axis + 1 for axis in last), 1))
        to_first = Transposed(f"{self.name}/channels_first", self.dtype, (self.rank + 1, *last))
        channels, *sizes = inputs[0].shape
        moved = steps.add(to_last, inputs, (*sizes, channels))
        channels, *sizes = before
        output = self.expand_spatial(steps, moved, (*sizes, channels))
        return self.expand_activation(steps, steps.add(to_first, [output], before), shape)

    def expand_spatial(self, steps: Steps, value: Value, shape: tuple[int, ...]) -> Value:
        """Add the steps of the layer without its activation, where the channels are the last axis: by default one."""
        return steps.add(self.operation_on(value.shape), [value], shape)

    def check_channels(self, input_shape: Shape, built_for: int) -> None:
        """Refuse an input with another number of channels than the weights were made for."""
        if not fits((None, self.channels_last(input_shape)[-1]), (None, built_for)):
            raise ValueError(
                f"{type(self).__name__} {self.name!r} was built for {built_for} channels, but got shape {input_shape}."
            )


class SpatialLayer(AxesLayer):
    """Base of layers over samples with `rank` axes and channels. Both engines see the channels as the last axis.

    Subclasses define `spatial_output`. With ``data_format="channels_first"``, one step more puts the channels last, and
    one puts those of the output first.

    Parameters
    ----------
    data_format : {"channels_last", "channels_first"} or None
        ``None``: that of `config.image_data_format`.
    **kwargs
        See `Layer`.
    """

    def __init__(self, data_format: str | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = check_data_format(data_format)


class ImageLayer(SpatialLayer):
    """Base of layers over images that also take a single one, without the axis of the batch.

    Parameters
    ----------
    data_format : {"channels_last", "channels_first"} or None
        See `SpatialLayer`.
    **kwargs
        See `Layer`.
    """

    rank = 2
    axes_of_one_sample = 3

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the output. Three known sizes are one image without a batch axis."""
        if isinstance(input_shape, tuple) and len(input_shape) == self.axes_of_one_sample and None not in input_shape:
            return super().compute_output_shape((None, *input_shape))[1:]
        return super().compute_output_shape(input_shape)

    def check_inputs(self, tensors: list[Any]) -> None:
        """Refuse symbolic tensors without a batch axis, also where a batch has a known size."""
        super().check_inputs(tensors)
        for tensor in tensors:
            super().compute_output_shape((None, *tensor.shape[1:]))
