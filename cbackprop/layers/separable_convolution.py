"""Separable convolutions: a depthwise convolution, and then a mixture of its channels at each position."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cbackprop import constraints, initializers, regularizers
from cbackprop.contract.convolution import AXES, Geometry, three
from cbackprop.contract.expansion import Steps, Value
from cbackprop.layers.depthwise_convolution import ChannelwiseLayer
from cbackprop.layers.layer import registry
from cbackprop.layers.operation import Operation
from cbackprop.tensor import Shape
from cbackprop.validation import check_integer, named

if TYPE_CHECKING:
    from cbackprop.variable import Variable

__all__ = ["SeparableConv1D", "SeparableConv2D", "SeparableConvolution1D", "SeparableConvolution2D"]


class ChannelwiseStep(Operation):
    """The first step of a separable convolution: each channel with its own kernels.

    Parameters
    ----------
    layer : SeparableConvolution
    """

    implementation = "depthwise_convolution.Depthwise"
    reads_output = False
    use_bias = False

    def __init__(self, layer: SeparableConvolution) -> None:
        super().__init__(f"{layer.name}/depthwise", layer.dtype)
        self.layer = layer

    @property
    def kernel(self) -> Variable:
        """The layer's depthwise kernel."""
        assert self.layer.depthwise_kernel is not None
        return self.layer.depthwise_kernel

    @property
    def variables(self) -> list[Variable]:
        """The layer's depthwise kernel."""
        return [self.kernel]

    @property
    def rank(self) -> int:
        """The axes of a sample, without the channels."""
        return self.layer.rank

    @property
    def kernel_size(self) -> tuple[int, ...]:
        """The layer's kernel size."""
        return self.layer.kernel_size

    def geometry(self, input_shape: tuple[int, ...]) -> Geometry:
        """The sizes of the convolution of a sample of this shape."""
        return self.layer.depthwise_geometry(input_shape)

    def kernel_shape(self, channels: int) -> tuple[int, ...]:
        """(*kernel_size, channels, depth_multiplier)."""
        return self.layer.kernel_shape(channels)

    def flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> int:
        """A multiplication and an addition for each number of the output and each tap."""
        return self.layer.depthwise_flops(output_shape)

    def gradient_flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> list[int | None]:
        """A sum over samples and positions."""
        return [self.layer.depthwise_flops(output_shape)]


class PointwiseStep(Operation):
    """The second step of a separable convolution: a product with a matrix at each position, and the bias.

    Parameters
    ----------
    layer : SeparableConvolution
    """

    implementation = "convolution.Convolution"
    reads_output = False

    def __init__(self, layer: SeparableConvolution) -> None:
        super().__init__(f"{layer.name}/pointwise", layer.dtype)
        self.layer = layer
        self.filters, self.use_bias = layer.filters, layer.use_bias
        self.kernel_size = (1,) * layer.rank

    @property
    def kernel(self) -> Variable:
        """The layer's pointwise kernel."""
        assert self.layer.pointwise_kernel is not None
        return self.layer.pointwise_kernel

    @property
    def bias(self) -> Variable | None:
        """The layer's bias."""
        return self.layer.bias

    @property
    def variables(self) -> list[Variable]:
        """The layer's pointwise kernel, and its bias."""
        return [self.kernel, *([] if self.bias is None else [self.bias])]

    def geometry(self, input_shape: tuple[int, ...]) -> Geometry:
        """The sizes of a convolution with a kernel of size 1."""
        *sizes, channels = input_shape
        ones, zeros = three(()), three((), 0)
        found = three(tuple(sizes))
        return Geometry(found, found, ones, ones, ones, zeros, channels, self.filters, 1)

    def output_sizes(self, geometry: Geometry) -> tuple[int, ...]:
        """The shape of a sample of the output."""
        return (*geometry.maps[AXES - self.layer.rank :], self.filters)

    def flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> int:
        """The operations of the product."""
        return 2 * math.prod(output_shape) * input_shapes[0][-1]

    def gradient_flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> list[int | None]:
        """Both are sums over samples and positions."""
        return [self.flops(input_shapes, output_shape), *([math.prod(output_shape)] if self.use_bias else [])]


class SeparableConvolution(ChannelwiseLayer):
    """Base of SeparableConv1D and SeparableConv2D. Parameters: see `SeparableConv2D`."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size, strides, padding, depth_multiplier, data_format, dilation_rate, activation, use_bias,
            depthwise_initializer, bias_initializer, depthwise_regularizer, bias_regularizer, activity_regularizer,
            depthwise_constraint, bias_constraint, **kwargs,
        )  # fmt: skip
        self.filters = check_integer("filters", filters, minimum=1)
        self.pointwise_initializer = named("pointwise_initializer", initializers.get, pointwise_initializer)
        self.pointwise_regularizer = named("pointwise_regularizer", regularizers.get, pointwise_regularizer)
        self.pointwise_constraint = named("pointwise_constraint", constraints.get, pointwise_constraint)
        self.depthwise_kernel: Variable | None = None
        self.pointwise_kernel: Variable | None = None

    def out_channels(self, channels: int) -> int:
        """The filters."""
        return self.filters

    def spatial_output(self, sizes: tuple[int, ...], channels: int) -> tuple[tuple[int, ...], int]:
        """The positions of the kernel along each axis, and the filters."""
        return self.counts(sizes, channels * self.depth_multiplier), self.filters

    def build(self, input_shape: Shape) -> None:
        """Create both kernels and the bias."""
        self.compute_output_shape(input_shape)  # refuses what the layer cannot take
        channels = int(self.channels_last(input_shape)[-1] or 0)
        self.depthwise_kernel = self.add_weight(
            self.kernel_shape(channels),
            self.depthwise_initializer,
            name="depthwise_kernel",
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
        )
        self.pointwise_kernel = self.add_weight(
            (*(1,) * self.rank, channels * self.depth_multiplier, self.filters),
            self.pointwise_initializer,
            name="pointwise_kernel",
            regularizer=self.pointwise_regularizer,
            constraint=self.pointwise_constraint,
        )
        if self.use_bias:
            self._add_bias((self.filters,))

    def expand_spatial(self, steps: Steps, value: Value, shape: tuple[int, ...]) -> Value:
        """Add the two steps."""
        between = value.shape[-1] * self.depth_multiplier
        each = steps.add(ChannelwiseStep(self), [value], (*shape[:-1], between))
        return steps.add(PointwiseStep(self), [each], shape)

    def check_built_for(self, input_shape: Shape) -> None:
        """Refuse an input with another number of channels than that of the first one."""
        if self.depthwise_kernel is not None:
            self.check_channels(input_shape, self.depthwise_kernel.shape[-2])


@registry.register("SeparableConvolution1D")
class SeparableConv1D(SeparableConvolution):
    """Separable convolution of a signal or sequence: each channel by itself, then a mixture of channels at each step.

    With z what `DepthwiseConv1D` makes of the input without a bias,
    ``output[i, f] = activation(bias[f] + sum over c of z[i, c] pointwise_kernel[0, c, f])``.

    Parameters
    ----------
    filters : int
        The channels of the output.
    kernel_size, strides, dilation_rate : int or tuple of 1 int
        As for `DepthwiseConv1D`; `strides` and `dilation_rate` are 1 by default.
    padding : {"valid", "same"}, default "valid"
        See `Conv2D`.
    data_format : {"channels_last", "channels_first"}, optional
        Whether inputs are (batch, steps, channels) or (batch, channels, steps). By default that of
        `config.image_data_format`.
    depth_multiplier : int, default 1
        How many channels z has for each of the input.
    activation, use_bias, depthwise_initializer, pointwise_initializer, bias_initializer
    depthwise_regularizer, pointwise_regularizer, bias_regularizer, activity_regularizer
    depthwise_constraint, pointwise_constraint, bias_constraint
        See `SeparableConv2D`.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    depthwise_kernel : Variable
        Shape (kernel_size, channels, depth_multiplier).
    pointwise_kernel : Variable
        Shape (1, channels * depth_multiplier, filters).
    bias : Variable or None
        Shape (filters,).

    Notes
    -----
    Input (batch, steps, channels), output (batch, positions, filters), with as many positions as `Conv1D` has. The
    gradients are those of the two steps.

    Raises
    ------
    TypeError, ValueError
        As `DepthwiseConv2D`.

    References
    ----------
    Kaiser, Gomez and Chollet, "Depthwise separable convolutions for neural machine translation", arXiv:1706.03059.
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> layer = cb.layers.SeparableConv1D(1, 2, depthwise_initializer="ones", pointwise_initializer="ones")
    >>> layer(np.array([[[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]])).ravel()
    array([33., 55.], dtype=float32)
    >>> cb.layers.SeparableConv1D(16, 5, strides=2, activation="relu")(cb.Input((100, 8))).shape
    (None, 48, 16)
    """

    rank = 1


@registry.register("SeparableConvolution2D")
class SeparableConv2D(SeparableConvolution):
    """Separable convolution of an image: each channel by itself, then a mixture of channels at each position.

    With z what `DepthwiseConv2D` makes of the input without a bias,
    ``output[i, j, f] = activation(bias[f] + sum over c of z[i, j, c] pointwise_kernel[0, 0, c, f])``.

    Parameters
    ----------
    filters : int
        The channels of the output.
    kernel_size, strides, dilation_rate : int or tuple of 2 ints
        As for `DepthwiseConv2D`; `strides` and `dilation_rate` are 1 by default.
    padding : {"valid", "same"}, default "valid"
        See `Conv2D`.
    data_format : {"channels_last", "channels_first"}, optional
        Whether inputs are (batch, rows, columns, channels) or (batch, channels, rows, columns). By default that of
        `config.image_data_format`.
    depth_multiplier : int, default 1
        How many channels z has for each of the input.
    activation : str or callable, optional
        Applied to the result; none by default.
    use_bias : bool, default True
        Whether a bias is added.
    depthwise_initializer, pointwise_initializer : str or Initializer, default "glorot_uniform"
    bias_initializer : str or Initializer, default "zeros"
    depthwise_regularizer, pointwise_regularizer, bias_regularizer : str or Regularizer, optional
        Penalty on the weights that is added to the loss.
    activity_regularizer : str or Regularizer, optional
        Penalty on the output, after the activation, that is divided by the batch size and added to the loss.
    depthwise_constraint, pointwise_constraint, bias_constraint : str or Constraint, optional
        Applied to the weights after each training step.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    depthwise_kernel : Variable
        Shape ``(*kernel_size, channels, depth_multiplier)``.
    pointwise_kernel : Variable
        Shape (1, 1, channels * depth_multiplier, filters).
    bias : Variable or None
        Shape (filters,).

    Notes
    -----
    Input (batch, rows, columns, channels), output (batch, ..., ..., filters), with as many rows and columns as `Conv2D`
    has. Rows and columns may be unknown (`None`) and differ between batches. The gradients are those of the two steps,
    `DepthwiseConv2D` and a `Conv2D` with a kernel of size 1.

    Raises
    ------
    TypeError, ValueError
        As `DepthwiseConv2D`.

    References
    ----------
    Chollet, "Xception: deep learning with depthwise separable convolutions", CVPR 2017, arXiv:1610.02357. Arguments
    and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> layer = cb.layers.SeparableConv2D(32, 3, padding="same", activation="relu")
    >>> layer(cb.Input((28, 28, 16))).shape
    (None, 28, 28, 32)
    >>> [weight.shape for weight in layer.weights], layer.count_params()
    ([(3, 3, 16, 1), (1, 1, 16, 32), (32,)], 688)
    """

    rank = 2


SeparableConvolution1D = SeparableConv1D
SeparableConvolution2D = SeparableConv2D
