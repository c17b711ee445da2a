"""Depthwise convolutions: each channel is convolved with kernels of its own."""

from __future__ import annotations

import functools
import math
from typing import Any

from cbackprop import constraints, initializers, regularizers
from cbackprop.contract.convolution import Geometry
from cbackprop.layers.convolution import KernelLayer
from cbackprop.layers.layer import registry
from cbackprop.validation import check_integer, named

__all__ = ["ChannelwiseLayer", "DepthwiseConv1D", "DepthwiseConv2D"]


class ChannelwiseLayer(KernelLayer):
    """Base of layers in which each channel is convolved with `depth_multiplier` kernels of its own.

    Parameters
    ----------
    kernel_size, strides, padding, depth_multiplier, data_format, dilation_rate, activation, use_bias,
    depthwise_initializer, bias_initializer, depthwise_regularizer, bias_regularizer, activity_regularizer,
    depthwise_constraint, bias_constraint
        See `DepthwiseConv2D`.
    **kwargs
        See `Layer`.
    """

    def __init__(
        self,
        kernel_size: Any,
        strides: Any,
        padding: str,
        depth_multiplier: int,
        data_format: str | None,
        dilation_rate: Any,
        activation: Any,
        use_bias: bool,
        depthwise_initializer: Any,
        bias_initializer: Any,
        depthwise_regularizer: Any,
        bias_regularizer: Any,
        activity_regularizer: Any,
        depthwise_constraint: Any,
        bias_constraint: Any,
        **kwargs: Any,
    ) -> None:
        self.depthwise_initializer = named("depthwise_initializer", initializers.get, depthwise_initializer)
        self.depthwise_regularizer = named("depthwise_regularizer", regularizers.get, depthwise_regularizer)
        self.depthwise_constraint = named("depthwise_constraint", constraints.get, depthwise_constraint)
        super().__init__(
            kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
            self.depthwise_initializer, bias_initializer, self.depthwise_regularizer, bias_regularizer,
            activity_regularizer, self.depthwise_constraint, bias_constraint, **kwargs,
        )  # fmt: skip
        self.depth_multiplier = check_integer("depth_multiplier", depth_multiplier, minimum=1)

    @classmethod
    @functools.cache
    def argument_names(cls) -> tuple[str, ...]:
        """The names of arguments, without arguments of `KernelLayer` that have other names here."""
        renamed = {"kernel_initializer", "kernel_regularizer", "kernel_constraint"}
        return tuple(name for name in super().argument_names() if name not in renamed)

    def kernel_shape(self, channels: int) -> tuple[int, ...]:
        """(*kernel_size, channels, depth_multiplier)."""
        return (*self.kernel_size, channels, self.depth_multiplier)

    def depthwise_geometry(self, input_shape: tuple[int, ...]) -> Geometry:
        """The sizes of the convolution of a sample of this shape, channels last."""
        channels = input_shape[-1]
        return self.geometry_with(input_shape, channels * self.depth_multiplier, channels)

    def depthwise_flops(self, output_shape: tuple[int, ...]) -> int:
        """A multiplication and an addition for each number of what the kernels make, and each tap."""
        return 2 * math.prod(output_shape) * math.prod(self.kernel_size)


class DepthwiseConvolution(ChannelwiseLayer):
    """Base of DepthwiseConv1D and DepthwiseConv2D. Parameters: see `DepthwiseConv2D`."""

    implementation = "depthwise_convolution.Depthwise"

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size, strides, padding, depth_multiplier, data_format, dilation_rate, activation, use_bias,
            depthwise_initializer, bias_initializer, depthwise_regularizer, bias_regularizer, activity_regularizer,
            depthwise_constraint, bias_constraint, **kwargs,
        )  # fmt: skip

    def out_channels(self, channels: int) -> int:
        """The channels of the output: `depth_multiplier` for each channel."""
        return channels * self.depth_multiplier

    def spatial_output(self, sizes: tuple[int, ...], channels: int) -> tuple[tuple[int, ...], int]:
        """The positions of the kernel along each axis, and the channels of the output."""
        return self.counts(sizes, self.out_channels(channels)), self.out_channels(channels)

    def geometry(self, input_shape: tuple[int, ...]) -> Geometry:
        """The sizes of the convolution of a sample of this shape, channels last."""
        return self.depthwise_geometry(input_shape)

    def flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> int:
        """A multiplication and an addition for each number of the output and each tap."""
        return self.depthwise_flops(output_shape)

    def gradient_flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> list[int | None]:
        """Both are sums over samples and positions."""
        return [self.depthwise_flops(output_shape), *([math.prod(output_shape)] if self.use_bias else [])]


@registry.register()
class DepthwiseConv1D(DepthwiseConvolution):
    """Depthwise convolution of a signal or sequence: each channel by itself, with kernels of its own.

    With output position i, channel c, its filter m out of M, stride s, dilation d and p zeros in front,
    ``output[i, c M + m] = activation(bias[c M + m] + sum over k of input[s i + d k - p, c] kernel[k, c, m])``.

    Parameters
    ----------
    kernel_size : int or tuple of 1 int
        The steps that the kernel reads, its taps.
    strides, dilation_rate : int or tuple of 1 int, default 1
        As for `DepthwiseConv2D`.
    padding : {"valid", "same"}, default "valid"
        See `Conv2D`.
    depth_multiplier : int, default 1
        How many filters each channel has.
    data_format : {"channels_last", "channels_first"}, optional
        Whether inputs are (batch, steps, channels) or (batch, channels, steps). By default that of
        `config.image_data_format`.
    activation, use_bias, depthwise_initializer, bias_initializer
    depthwise_regularizer, bias_regularizer, activity_regularizer, depthwise_constraint, bias_constraint
        See `DepthwiseConv2D`.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    kernel : Variable
        Shape (kernel_size, channels, depth_multiplier).
    bias : Variable or None
        Shape (channels * depth_multiplier,).

    Notes
    -----
    Input (batch, steps, channels), output (batch, positions, channels * depth_multiplier), with as many positions as
    `Conv1D` has. The gradients are those of `DepthwiseConv2D`.

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
    >>> layer = cb.layers.DepthwiseConv1D(2, depthwise_initializer="ones")
    >>> layer(np.array([[[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]]))[0]
    array([[ 3., 30.],
           [ 5., 50.]], dtype=float32)
    >>> cb.layers.DepthwiseConv1D(5, strides=2, depth_multiplier=3)(cb.Input((100, 8))).shape
    (None, 48, 24)
    """

    rank = 1


@registry.register()
class DepthwiseConv2D(DepthwiseConvolution):
    """Depthwise convolution of an image: each channel by itself, with kernels of its own.

    With output position (i, j), channel c, its filter m out of M, strides s, dilation d and p zeros in front,
    ``output[i, j, c M + m] = activation(bias[c M + m] + z)`` where z is the sum over taps (u, v) of
    ``input[s i + d u - p, s j + d v - p, c] kernel[u, v, c, m]``.

    Parameters
    ----------
    kernel_size : int or tuple of 2 ints
        The rows and columns that the kernel reads, its taps. One number counts for both.
    strides : int or tuple of 2 ints, default 1
        From one position of the kernel to the next.
    padding : {"valid", "same"}, default "valid"
        See `Conv2D`.
    depth_multiplier : int, default 1
        How many filters each channel has.
    data_format : {"channels_last", "channels_first"}, optional
        Whether inputs are (batch, rows, columns, channels) or (batch, channels, rows, columns). By default that of
        `config.image_data_format`.
    dilation_rate : int or tuple of 2 ints, default 1
        From one tap of the kernel to the next. Strides and dilation cannot both be above 1.
    activation : str or callable, optional
        Applied to the result; none by default.
    use_bias : bool, default True
        Whether a bias is added.
    depthwise_initializer : str or Initializer, default "glorot_uniform"
        For the kernel.
    bias_initializer : str or Initializer, default "zeros"
    depthwise_regularizer, bias_regularizer : str or Regularizer, optional
        Penalty on the weights that is added to the loss.
    activity_regularizer : str or Regularizer, optional
        Penalty on the output, after the activation, that is divided by the batch size and added to the loss.
    depthwise_constraint, bias_constraint : str or Constraint, optional
        Applied to the weights after each training step.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    kernel : Variable
        Shape ``(*kernel_size, channels, depth_multiplier)``.
    bias : Variable or None
        Shape (channels * depth_multiplier,).

    Notes
    -----
    Input (batch, rows, columns, channels), output (batch, ..., ..., channels * depth_multiplier), with as many rows and
    columns as `Conv2D` has. Rows and columns may be unknown (`None`) and differ between batches.

    With delta the derivative by the result before the activation, ``dL/dkernel[u, v, c, m]`` is the sum over samples
    and positions of ``input[s i + d u - p, s j + d v - p, c] delta[i, j, c M + m]``, ``dL/dbias`` the sum of delta over
    samples and positions, and dL/dinput at each place the sum of delta times kernel over the taps that read it.

    A `Conv2D` whose `groups` are its channels computes the same; this layer is several times faster.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; if strides and dilation are both above 1; if the input has
        another number of axes, or is smaller than the kernel with "valid" padding.

    References
    ----------
    Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision applications",
    arXiv:1704.04861. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> layer = cb.layers.DepthwiseConv2D(2, depthwise_initializer="ones")
    >>> layer(np.arange(9.0).reshape(1, 3, 3, 1))[0, :, :, 0]
    array([[ 8., 12.],
           [20., 24.]], dtype=float32)
    >>> layer = cb.layers.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2, activation="relu6")
    >>> layer(cb.Input((28, 28, 16))).shape
    (None, 14, 14, 32)
    >>> layer.kernel.shape, layer.count_params()
    ((3, 3, 16, 2), 320)
    """

    rank = 2
