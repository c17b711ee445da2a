"""Resizing: images of another size, by interpolation."""

from __future__ import annotations

import math
from typing import Any

from cbackprop.contract.interpolation import (
    INTERPOLATIONS,
    KERNELS,
    Resampling,
    Window,
    cropped_to_aspect_ratio,
    padded_to_aspect_ratio,
)
from cbackprop.layers.layer import registry
from cbackprop.layers.operation import Operation
from cbackprop.layers.spatial import ImageLayer
from cbackprop.validation import check_boolean, check_choice, check_integer, check_number

__all__ = ["Resampled", "Resizing"]


def flops_of(resampling: Resampling, input_shape: tuple[int, ...]) -> int:
    """Multiplications and additions of an image: first along its height, then along its width."""
    taps = []
    for window, outputs in zip(resampling.windows, resampling.target, strict=True):
        stretch = max(window.size / outputs, 1.0) if resampling.antialias else 1.0
        nearest = resampling.interpolation == "nearest" or window.size == outputs
        taps.append(1 if nearest else math.ceil(2 * KERNELS[resampling.interpolation][1] * stretch))
    height, width = resampling.target
    return 2 * height * (input_shape[1] * taps[0] + width * taps[1]) * input_shape[2]


class Resampled(Operation):
    """An image that becomes one of another size.

    Parameters
    ----------
    name, dtype
        See `Operation`.
    resampling : Resampling
    """

    implementation = "resizing.Resizing"
    reads_output = False

    def __init__(self, name: str, dtype: str, resampling: Resampling) -> None:
        super().__init__(name, dtype)
        self.resampling = resampling

    def resampling_of(self, input_shape: tuple[int, ...]) -> Resampling:
        """The resampling of images of this shape."""
        return self.resampling

    def flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> int:
        """The operations of the sums along both axes."""
        return flops_of(self.resampling, input_shapes[0])


@registry.register()
class Resizing(ImageLayer):
    """Images of another size, by interpolation.

    ``output[y, x] = sum over i, j of a[y, i] b[x, j] input[i, j]``. The weights of output t along an axis are those of
    a kernel around the place ``(t + 0.5) * size / size_of_the_output - 0.5`` of the input, divided by their sum;
    neighbors that the image does not have count nothing.

    Parameters
    ----------
    height, width : int
        Of the output.
    interpolation : {"bilinear", "nearest", "bicubic", "lanczos3", "lanczos5"}, default "bilinear"
        The kernel: a triangle that reaches 1 pixel far, Keys's cubic kernel with a = -0.5 (2 pixels), or
        ``sinc(d) sinc(d / radius)`` (3 or 5). "nearest" takes the pixel at that place.
    crop_to_aspect_ratio : bool, default False
        Take the largest part of the image, from its center, that has the aspect ratio of the output.
    pad_to_aspect_ratio : bool, default False
        Put `fill_value` around the image, to give it the aspect ratio of the output. Only one of the two can be True.
    fill_mode : {"constant"}, default "constant"
    fill_value : float, default 0
    antialias : bool, default False
        Where the output is smaller, make the kernel wider by as much, so that every pixel of the input counts.
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, rows, columns, channels), output (batch, height, width, channels); a single image has no axis of the
    batch. ``dL/dinput[i, j] = sum over y, x of a[y, i] b[x, j] dL/doutput[y, x]``. With "channels_first", the channels
    follow the batch, and are moved to the end for the computation.

    The output has the layer's float type, also for images of whole numbers, which Keras rounds again.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of these, or the input has another number of axes.

    References
    ----------
    Keys, "Cubic convolution interpolation for digital image processing", IEEE Transactions on Acoustics, Speech, and
    Signal Processing 29, 1981. Arguments and defaults are those of Keras 3; numbers are those of its JAX, TensorFlow
    and NumPy backends. Its PyTorch backend has no Lanczos kernels, and its bicubic kernel has a = -0.75 unless
    `antialias` is True, with the pixels of the border repeated.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.Resizing(1, 4)([[[[0.0], [8.0]]]])[0, :, :, 0]
    array([[0., 2., 6., 8.]], dtype=float32)
    >>> cb.layers.Resizing(224, 224, crop_to_aspect_ratio=True)(cb.Input((None, None, 3))).shape
    (None, 224, 224, 3)
    """

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format, **kwargs)
        self.height = check_integer("height", height, 1)
        self.width = check_integer("width", width, 1)
        self.interpolation = check_choice("interpolation", interpolation, INTERPOLATIONS)
        self.crop_to_aspect_ratio = check_boolean("crop_to_aspect_ratio", crop_to_aspect_ratio)
        self.pad_to_aspect_ratio = check_boolean("pad_to_aspect_ratio", pad_to_aspect_ratio)
        if self.crop_to_aspect_ratio and self.pad_to_aspect_ratio:
            raise ValueError("Only one of crop_to_aspect_ratio and pad_to_aspect_ratio can be True.")
        self.fill_mode = check_choice("fill_mode", fill_mode, ("constant",))
        self.fill_value = check_number("fill_value", fill_value)
        self.antialias = check_boolean("antialias", antialias)

    def spatial_output(self, sizes: tuple[int, ...], channels: int) -> tuple[tuple[int, ...], int]:
        """The height and the width that are wanted."""
        return (self.height, self.width), channels

    def resampling_of(self, input_shape: tuple[int, ...]) -> Resampling:
        """The resampling of images of this shape, channels last."""
        target = self.height, self.width
        sizes = input_shape[:2]
        windows = Window(0, sizes[0]), Window(0, sizes[1])
        if self.crop_to_aspect_ratio:
            windows = cropped_to_aspect_ratio(sizes, target)
        elif self.pad_to_aspect_ratio:
            windows = padded_to_aspect_ratio(sizes, target)
        return Resampling(target, windows, self.interpolation, self.antialias, self.fill_value)

    def flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> int:
        """The operations of the sums along both axes."""
        return flops_of(self.resampling_of(input_shapes[0]), input_shapes[0])
