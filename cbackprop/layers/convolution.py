"""Convolutions of signals, images and volumes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from cbackprop import activations
from cbackprop.contract.convolution import AXES, Geometry, three
from cbackprop.layers.kernel_and_bias import KernelAndBias
from cbackprop.layers.layer import registry
from cbackprop.layers.spatial import SpatialLayer, sizes_for_axes
from cbackprop.tensor import Shape
from cbackprop.validation import check_boolean, check_choice, check_integer, named

if TYPE_CHECKING:
    pass

__all__ = [
    "Conv1D",
    "Conv2D",
    "Conv3D",
    "Convolution1D",
    "Convolution2D",
    "Convolution3D",
    "KernelLayer",
]

# The most numbers of a sample with its padding, and the most positions that a kernel covers.
LARGEST, FARTHEST = 2**52, 2**31


class KernelLayer(KernelAndBias, SpatialLayer):
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
        self._set_kernel_and_bias(
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            kernel_constraint,
            bias_constraint,
        )

    def check_reach(self, sizes: tuple[int, ...], channels: int) -> None:
        """Refuse kernels that are so large that addresses would overflow. `sizes` are the sizes of the image."""
        reach = [(size - 1) * rate + 1 for size, rate in zip(self.kernel_size, self.dilation_rate, strict=True)]
        numbers = math.prod(size + more for size, more in zip(sizes, reach, strict=True)) * max(channels, 1)
        if numbers > LARGEST or max(reach) > FARTHEST:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} with kernel_size {self.kernel_size}, strides {self.strides} and "
                f"dilation_rate {self.dilation_rate} reaches over more numbers than any memory holds."
            )

    def kernel_shape(self, channels: int) -> tuple[int, ...]:
        """The shape of the kernel for an input with `channels` channels."""
        raise NotImplementedError

    def out_channels(self, channels: int) -> int:
        """The channels of the output."""
        raise NotImplementedError

    def positions(self, sizes: tuple[int, ...]) -> list[tuple[int, int]]:
        """For each axis: how many positions the kernel has, and the zeros in front of the image."""
        axes = zip(sizes, self.kernel_size, self.strides, self.dilation_rate, strict=True)
        return [positions_along(*axis, self.padding) for axis in axes]

    def counts(self, sizes: tuple[int, ...], channels: int) -> tuple[int, ...]:
        """The positions of the kernel along each axis; ``ValueError`` if there are none, or it reaches too far."""
        self.check_reach(sizes, channels)
        counts = tuple(count for count, _ in self.positions(sizes))
        if min(counts) < 1:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} with kernel_size {self.kernel_size}, dilation_rate "
                f"{self.dilation_rate} and padding {self.padding!r} needs larger inputs than {sizes}: its output would "
                "be empty."
            )
        return counts

    def geometry_with(self, input_shape: tuple[int, ...], filters: int, groups: int) -> Geometry:
        """The sizes of a convolution of a sample of this shape, channels last."""
        *sizes, channels = input_shape
        counts, before = zip(*self.positions(tuple(sizes)), strict=True)
        # A stride has no effect with one position, a rate none with one tap. Then they may be huge: use 1 instead.
        strides = tuple(stride if count > 1 else 1 for stride, count in zip(self.strides, counts, strict=True))
        rates = tuple(rate if taps > 1 else 1 for rate, taps in zip(self.dilation_rate, self.kernel_size, strict=True))
        return Geometry(
            three(tuple(sizes)),
            three(counts),
            three(self.kernel_size),
            three(strides),
            three(rates),
            three(before, 0),
            channels,
            filters,
            groups,
        )

    def build(self, input_shape: Shape) -> None:
        """Create kernel and bias."""
        self.compute_output_shape(input_shape)  # refuses what the layer cannot take
        channels = int(self.channels_last(input_shape)[-1] or 0)
        self._add_kernel(self.kernel_shape(channels), self.kernel_initializer)
        if self.use_bias:
            self._add_bias((self.out_channels(channels),))

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
    """Base of Conv1D, Conv2D and Conv3D.

    Parameters
    ----------
    filters, kernel_size, strides, padding, data_format, dilation_rate, groups, activation, use_bias
    kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer
    activity_regularizer, kernel_constraint, bias_constraint
        See `Conv2D`.
    **kwargs
        See `Layer`.
    """

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
        return self.counts(sizes, max(channels, self.filters)), self.filters

    def geometry(self, input_shape: tuple[int, ...]) -> Geometry:
        """The sizes of the convolution of a sample of this shape, channels last."""
        return self.geometry_with(input_shape, self.filters, self.groups)

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
    """Convolution of a signal or sequence: a kernel that moves along its steps.

    With output position i, filter f, stride s, dilation d and p zeros in front,
    ``output[i, f] = activation(bias[f] + sum over k, c of input[s i + d k - p, c] kernel[k, c, f])``.

    Parameters
    ----------
    filters : int
        The channels of the output.
    kernel_size : int or tuple of 1 int
        The steps that the kernel reads, its taps.
    strides : int or tuple of 1 int, default 1
        From one position of the kernel to the next.
    padding : {"valid", "same", "causal"}, default "valid"
        As for `Conv2D`. With "causal" all zeros are in front, and no output depends on a later step of the input.
    data_format : {"channels_last", "channels_first"}, optional
        Whether inputs are (batch, steps, channels) or (batch, channels, steps). By default that of
        `config.image_data_format`.
    dilation_rate : int or tuple of 1 int, default 1
        From one tap of the kernel to the next. Strides and dilation cannot both be above 1.
    groups, activation, use_bias, kernel_initializer, bias_initializer
    kernel_regularizer, bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint
        See `Conv2D`.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    kernel : Variable
        Shape (kernel_size, channels / groups, filters).
    bias : Variable or None
        Shape (filters,).

    Notes
    -----
    Input (batch, steps, channels), output (batch, positions, filters), where n steps have ``ceil(n / s)`` positions
    with "same" and "causal" padding, and ``floor((n - (kernel_size - 1) d - 1) / s) + 1`` with "valid". Steps may be
    unknown (`None`) and differ between batches. The gradients are those of `Conv2D`.

    Raises
    ------
    TypeError, ValueError
        As `Conv2D`.

    References
    ----------
    Waibel, Hanazawa, Hinton, Shikano and Lang, "Phoneme recognition using time-delay neural networks", IEEE
    Transactions on Acoustics, Speech, and Signal Processing 37, 1989. Causal: van den Oord et al., "WaveNet: a
    generative model for raw audio", arXiv:1609.03499. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> layer = cb.layers.Conv1D(1, 2, padding="causal", kernel_initializer="ones")
    >>> layer(np.array([[[1.0], [2.0], [3.0]]])).ravel()
    array([1., 3., 5.], dtype=float32)
    >>> cb.layers.Conv1D(16, 5, strides=2, activation="relu")(cb.Input((100, 8))).shape
    (None, 48, 16)
    """

    rank = 1
    paddings = ("valid", "same", "causal")


@registry.register("Convolution2D")
class Conv2D(Convolution):
    """Convolution of an image: a kernel that moves over its rows and columns.

    With output position (i, j), filter f, strides s, dilation d and p zeros in front,
    ``output[i, j, f] = activation(bias[f] + z)`` where z is the sum over taps (u, v) and channels c of
    ``input[s i + d u - p, s j + d v - p, c] kernel[u, v, c, f]``.

    Parameters
    ----------
    filters : int
        The channels of the output.
    kernel_size : int or tuple of 2 ints
        The rows and columns that the kernel reads, its taps. One number counts for both.
    strides : int or tuple of 2 ints, default 1
        From one position of the kernel to the next.
    padding : {"valid", "same"}, default "valid"
        "valid": the kernel stays within the image. "same": zeros around the image, so that n rows give ``ceil(n / s)``.
        If their number is odd, one more is behind than in front.
    data_format : {"channels_last", "channels_first"}, optional
        Whether inputs are (batch, rows, columns, channels) or (batch, channels, rows, columns). By default that of
        `config.image_data_format`.
    dilation_rate : int or tuple of 2 ints, default 1
        From one tap of the kernel to the next. Strides and dilation cannot both be above 1.
    groups : int, default 1
        Channels are divided into so many groups, as filters are. Each filter reads the channels of its own group.
    activation : str or callable, optional
        Applied to the result; none by default.
    use_bias : bool, default True
        Whether a bias is added.
    kernel_initializer : str or Initializer, default "glorot_uniform"
    bias_initializer : str or Initializer, default "zeros"
    kernel_regularizer, bias_regularizer : str or Regularizer, optional
        Penalty on the weights that is added to the loss.
    activity_regularizer : str or Regularizer, optional
        Penalty on the output, after the activation, that is divided by the batch size and added to the loss.
    kernel_constraint, bias_constraint : str or Constraint, optional
        Applied to the weights after each training step.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    kernel : Variable
        Shape ``(*kernel_size, channels / groups, filters)``.
    bias : Variable or None
        Shape (filters,).

    Notes
    -----
    Input (batch, rows, columns, channels), output (batch, ..., ..., filters), where n rows give ``ceil(n / s)`` with
    "same" padding, and ``floor((n - (kernel_size - 1) d - 1) / s) + 1`` with "valid"; so do columns. Rows and columns
    may be unknown (`None`) and differ between batches. `activations.glu` halves the filters.

    With delta the derivative by the result before the activation, ``dL/dkernel[u, v, c, f]`` is the sum over samples
    and positions of ``input[s i + d u - p, s j + d v - p, c] delta[i, j, f]``, ``dL/dbias`` the sum of delta over
    samples and positions, and dL/dinput what `Conv2DTranspose` makes of delta with the same kernel.

    ``channels_first`` moves the axes before and after the layer; ``channels_last`` is faster.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; if `groups` divides `filters` or the channels of the input
        with a remainder; if strides and dilation are both above 1; if the input has another number of axes, or is
        smaller than the kernel with "valid" padding.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", Proceedings of the
    IEEE 86, 1998. Groups: Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural
    networks", NeurIPS 2012. Dilation: Yu and Koltun, "Multi-scale context aggregation by dilated convolutions",
    arXiv:1511.07122. Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285.
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> layer = cb.layers.Conv2D(1, 2, kernel_initializer="ones")
    >>> layer(np.arange(9.0).reshape(1, 3, 3, 1))[0, :, :, 0]
    array([[ 8., 12.],
           [20., 24.]], dtype=float32)
    >>> layer = cb.layers.Conv2D(16, (3, 5), strides=2, padding="same", activation="relu")
    >>> layer(cb.Input((28, 28, 3))).shape
    (None, 14, 14, 16)
    >>> layer.kernel.shape, layer.count_params()
    ((3, 5, 3, 16), 736)
    """

    rank = 2


@registry.register("Convolution3D")
class Conv3D(Convolution):
    """Convolution of a volume: a kernel that moves along three axes.

    The sum is that of `Conv2D` with one axis more.

    Parameters
    ----------
    filters : int
        The channels of the output.
    kernel_size, strides, dilation_rate : int or tuple of 3 ints
        As for `Conv2D`; `strides` and `dilation_rate` are 1 by default.
    padding : {"valid", "same"}, default "valid"
        See `Conv2D`.
    data_format : {"channels_last", "channels_first"}, optional
        Whether inputs are (batch, depth, rows, columns, channels) or (batch, channels, depth, rows, columns). By
        default that of `config.image_data_format`.
    groups, activation, use_bias, kernel_initializer, bias_initializer
    kernel_regularizer, bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint
        See `Conv2D`.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    kernel : Variable
        Shape ``(*kernel_size, channels / groups, filters)``.
    bias : Variable or None
        Shape (filters,).

    Notes
    -----
    Input (batch, depth, rows, columns, channels), output (batch, ..., ..., ..., filters). Sizes and gradients are those
    of `Conv2D`.

    Raises
    ------
    TypeError, ValueError
        As `Conv2D`.

    References
    ----------
    Ji, Xu, Yang and Yu, "3D convolutional neural networks for human action recognition", IEEE Transactions on Pattern
    Analysis and Machine Intelligence 35, 2013. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> layer = cb.layers.Conv3D(8, 3, strides=(1, 2, 2), activation="relu")
    >>> layer(cb.Input((6, 16, 16, 2))).shape
    (None, 4, 7, 7, 8)
    >>> layer.kernel.shape
    (3, 3, 3, 2, 8)
    """

    rank = 3


Convolution1D, Convolution2D, Convolution3D = Conv1D, Conv2D, Conv3D
