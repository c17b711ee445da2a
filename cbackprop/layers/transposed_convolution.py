"""Transposed convolutions, which make larger signals, images and volumes of smaller ones."""

from __future__ import annotations

import math
from typing import Any

from cbackprop.contract.convolution import AXES, Geometry, three
from cbackprop.layers.convolution import KernelLayer
from cbackprop.layers.layer import registry
from cbackprop.layers.spatial import sizes_for_axes
from cbackprop.validation import check_integer

__all__ = [
    "Conv1DTranspose",
    "Conv2DTranspose",
    "Conv3DTranspose",
    "Convolution1DTranspose",
    "Convolution2DTranspose",
    "Convolution3DTranspose",
]


def size_along(
    size: int, kernel: int, stride: int, dilation: int, padding: str, output_padding: int | None
) -> tuple[int, int]:
    """The size of the output along an axis, and how many numbers in front of it are dropped.

    The taps of all positions reach over (size - 1) stride + reach numbers.
    """
    reach = (kernel - 1) * dilation + 1
    if padding == "valid":
        return (size - 1) * stride + (max(reach, stride) if output_padding is None else reach + output_padding), 0
    # By default the size becomes size * stride.
    more = stride + reach - 2 if output_padding is None else reach + reach % 2 - 2 + output_padding
    return (size - 1) * stride + 2 - reach + more, reach - 1 - min((more + 1) // 2, reach - 1)


class TransposedConvolution(KernelLayer):
    """Base of Conv1DTranspose, Conv2DTranspose and Conv3DTranspose.

    Parameters
    ----------
    filters, kernel_size, strides, padding, output_padding, data_format, dilation_rate, activation, use_bias
    kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer
    activity_regularizer, kernel_constraint, bias_constraint
        See `Conv2DTranspose`.
    **kwargs
        See `Layer`.
    """

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
        self.check_reach(found, max(channels, self.filters))
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
    """Transposed convolution of a signal or sequence, which makes a longer one.

    Each input position i adds to several outputs:
    ``output[s i + d k - p, f] += sum over c of input[i, c] kernel[k, f, c]``. Then the bias is added, and the
    activation is applied.

    Parameters
    ----------
    filters : int
        The channels of the output.
    kernel_size, strides, dilation_rate : int or tuple of 1 int
        As for `Conv2DTranspose`; `strides` and `dilation_rate` are 1 by default.
    padding : {"valid", "same"}, default "valid"
        See `Conv2DTranspose`.
    output_padding : int or tuple of 1 int, optional
        See `Conv2DTranspose`.
    data_format : {"channels_last", "channels_first"}, optional
        Whether inputs are (batch, steps, channels) or (batch, channels, steps). By default that of
        `config.image_data_format`.
    activation, use_bias, kernel_initializer, bias_initializer
    kernel_regularizer, bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint
        See `Conv2D`.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    kernel : Variable
        Shape ``(*kernel_size, filters, channels)``.
    bias : Variable or None
        Shape (filters,).

    Notes
    -----
    Input (batch, steps, channels), output (batch, more steps, filters). Sizes and gradients are those of
    `Conv2DTranspose`.

    Raises
    ------
    TypeError, ValueError
        As `Conv2DTranspose`.

    References
    ----------
    See `Conv2DTranspose`. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> layer = cb.layers.Conv1DTranspose(1, 3, strides=2, kernel_initializer="ones")
    >>> layer(np.array([[[1.0], [2.0], [4.0]]])).ravel()
    array([1., 1., 3., 2., 6., 4., 4.], dtype=float32)
    >>> cb.layers.Conv1DTranspose(8, 3, strides=2, padding="same")(cb.Input((10, 4))).shape
    (None, 20, 8)
    """

    rank = 1


@registry.register("Convolution2DTranspose")
class Conv2DTranspose(TransposedConvolution):
    """Transposed convolution of an image, which makes a larger one.

    It does forwards what the derivative of `Conv2D` by its input does: each input position (i, j) adds to several
    outputs, ``output[s i + d u - p, s j + d v - p, f] += sum over c of input[i, j, c] kernel[u, v, f, c]``. Then the
    bias is added, and the activation is applied.

    Parameters
    ----------
    filters : int
        The channels of the output.
    kernel_size : int or tuple of 2 ints
        The rows and columns to which an input position adds, the kernel's taps. One number counts for both.
    strides : int or tuple of 2 ints, default 1
        How far apart the outputs of neighbouring input positions are.
    padding : {"valid", "same"}, default "valid"
        "valid": all numbers to which the kernel adds. "same": n rows give n s, and what is beyond is dropped on both
        sides.
    output_padding : int or tuple of 2 ints, optional
        Below `strides`. It fixes how many rows and columns are added behind; see Notes. By default sizes follow from
        `padding` alone.
    data_format : {"channels_last", "channels_first"}, optional
        Whether inputs are (batch, rows, columns, channels) or (batch, channels, rows, columns). By default that of
        `config.image_data_format`.
    dilation_rate : int or tuple of 2 ints, default 1
        From one tap of the kernel to the next. Strides and dilation cannot both be above 1.
    activation, use_bias, kernel_initializer, bias_initializer
    kernel_regularizer, bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint
        See `Conv2D`.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    kernel : Variable
        Shape ``(*kernel_size, filters, channels)``.
    bias : Variable or None
        Shape (filters,).

    Notes
    -----
    Input (batch, rows, columns, channels), output (batch, ..., ..., filters). With ``r = (kernel_size - 1) d + 1``, n
    rows give

    ======= ============================ ============================================
    padding ``output_padding=None``      else
    ======= ============================ ============================================
    valid   ``(n - 1) s + max(r, s)``    ``(n - 1) s + r + output_padding``
    same    ``n s``                      ``(n - 1) s + r % 2 + output_padding``
    ======= ============================ ============================================

    and so do columns. They may be unknown (`None`) and differ between batches. The derivative by the input is what
    `Conv2D` makes of delta with the same kernel; that by the kernel is the one of `Conv2D` with input and delta
    exchanged.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; if strides and dilation are both above 1; if
        `output_padding` is not below `strides`; if the input has another number of axes, or the output would be
        empty.

    References
    ----------
    Zeiler, Krishnan, Taylor and Fergus, "Deconvolutional networks", CVPR 2010. Dumoulin and Visin, "A guide to
    convolution arithmetic for deep learning", arXiv:1603.07285. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> layer = cb.layers.Conv2DTranspose(1, 2, kernel_initializer="ones")
    >>> layer(np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1))[0, :, :, 0]
    array([[ 1.,  3.,  2.],
           [ 4., 10.,  6.],
           [ 3.,  7.,  4.]], dtype=float32)
    >>> layer = cb.layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="relu")
    >>> layer(cb.Input((14, 14, 16))).shape
    (None, 28, 28, 8)
    >>> layer.kernel.shape
    (3, 3, 8, 16)
    """

    rank = 2


@registry.register("Convolution3DTranspose")
class Conv3DTranspose(TransposedConvolution):
    """Transposed convolution of a volume, which makes a larger one.

    The sum is that of `Conv2DTranspose` with one axis more.

    Parameters
    ----------
    filters : int
        The channels of the output.
    kernel_size, strides, dilation_rate : int or tuple of 3 ints
        As for `Conv2DTranspose`; `strides` and `dilation_rate` are 1 by default.
    padding : {"valid", "same"}, default "valid"
        See `Conv2DTranspose`.
    data_format : {"channels_last", "channels_first"}, optional
        Whether inputs are (batch, depth, rows, columns, channels) or (batch, channels, depth, rows, columns). By
        default that of `config.image_data_format`. As in Keras it stands in front of `output_padding` here.
    output_padding : int or tuple of 3 ints, optional
        See `Conv2DTranspose`.
    activation, use_bias, kernel_initializer, bias_initializer
    kernel_regularizer, bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint
        See `Conv2D`.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    kernel : Variable
        Shape ``(*kernel_size, filters, channels)``.
    bias : Variable or None
        Shape (filters,).

    Notes
    -----
    Input (batch, depth, rows, columns, channels), output (batch, ..., ..., ..., filters). Sizes and gradients are those
    of `Conv2DTranspose`.

    Raises
    ------
    TypeError, ValueError
        As `Conv2DTranspose`.

    References
    ----------
    See `Conv2DTranspose`. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> layer = cb.layers.Conv3DTranspose(4, 2, strides=2)
    >>> layer(cb.Input((3, 8, 8, 16))).shape
    (None, 6, 16, 16, 4)
    """

    rank = 3

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        output_padding: Any = None,
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
            filters, kernel_size, strides, padding, output_padding, data_format, dilation_rate, activation, use_bias,
            kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, activity_regularizer,
            kernel_constraint, bias_constraint, **kwargs,
        )  # fmt: skip


Convolution1DTranspose = Conv1DTranspose
Convolution2DTranspose = Conv2DTranspose
Convolution3DTranspose = Conv3DTranspose
