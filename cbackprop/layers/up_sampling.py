"""UpSampling1D, 2D and 3D: signals, images and volumes that are whole numbers of times as large."""

from __future__ import annotations

from typing import Any

from cbackprop.config import check_data_format
from cbackprop.contract.interpolation import INTERPOLATIONS, Resampling, Window
from cbackprop.layers.layer import registry
from cbackprop.layers.operation import Operation
from cbackprop.layers.resizing import Resampled
from cbackprop.layers.spatial import AxesLayer, sizes_for_axes
from cbackprop.validation import check_choice, check_integer

__all__ = ["UpSampling1D", "UpSampling2D", "UpSampling3D"]


class UpSampling(AxesLayer):
    """Base of the three."""

    implementation = "up_sampling.UpSampling"
    rearranges = True
    size: Any

    @property
    def factors(self) -> tuple[int, ...]:
        """How often each axis is repeated."""
        factors: tuple[int, ...] = self.size
        return factors

    def spatial_output(self, sizes: tuple[int, ...], channels: int) -> tuple[tuple[int, ...], int]:
        """Every axis, as many times as long."""
        return tuple(size * factor for size, factor in zip(sizes, self.factors, strict=True)), channels


@registry.register()
class UpSampling1D(UpSampling):
    """Repeat every step of a sequence.

    ``output[t] = input[t // size]``.

    Parameters
    ----------
    size : int, default 2
        How often.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, steps, features), output (batch, steps * size, features). ``dL/dinput`` is the sum of dL/doutput over
    the repetitions.

    Raises
    ------
    TypeError, ValueError
        If `size` is no whole number of at least 1, or the input has another number of axes.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.UpSampling1D(3)([[[1.0], [2.0]]])[0, :, 0]
    array([1., 1., 1., 2., 2., 2.], dtype=float32)
    """

    rank = 1

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = check_integer("size", size, 1)

    @property
    def factors(self) -> tuple[int, ...]:
        """How often the steps are repeated."""
        return (self.size,)


@registry.register()
class UpSampling2D(UpSampling):
    """Enlarge an image by whole numbers.

    ``output[y, x] = input[y // size[0], x // size[1]]``, or for other interpolations what `Resizing` gives.

    Parameters
    ----------
    size : int or tuple of 2 int, default (2, 2)
        How many times as large: height and width.
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    interpolation : {"nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"}, default "nearest"
        See `Resizing`, also for what Keras computes on PyTorch.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, height, width, channels), output (batch, height * size[0], width * size[1], channels). For "nearest",
    ``dL/dinput`` is the sum of dL/doutput over the repetitions; else see `Resizing`. With "channels_first", the
    channels follow the batch, and are moved to the end for the computation.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of these, or the input has another number of axes.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.UpSampling2D((1, 2))([[[[0.0], [8.0]]]])[0, :, :, 0]
    array([[0., 0., 8., 8.]], dtype=float32)
    >>> cb.layers.UpSampling2D((1, 2), interpolation="bilinear")([[[[0.0], [8.0]]]])[0, :, :, 0]
    array([[0., 2., 6., 8.]], dtype=float32)
    """

    rank = 2

    def __init__(
        self, size: Any = (2, 2), data_format: str | None = None, interpolation: str = "nearest", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.data_format = check_data_format(data_format)
        self.size = sizes_for_axes("size", size, 2)
        lower = interpolation.lower() if isinstance(interpolation, str) else interpolation
        self.interpolation = check_choice("interpolation", lower, INTERPOLATIONS)

    def operation_on(self, input_shape: tuple[int, ...]) -> Operation:
        """The layer itself if it repeats pixels, otherwise an interpolation."""
        if self.interpolation == "nearest":
            return self
        height, width = input_shape[:2]
        target = height * self.size[0], width * self.size[1]
        resampling = Resampling(target, (Window(0, height), Window(0, width)), self.interpolation)
        return Resampled(f"{self.name}/resize", self.dtype, resampling)


@registry.register()
class UpSampling3D(UpSampling):
    """Repeat the planes, rows and columns of a volume.

    ``output[z, y, x] = input[z // size[0], y // size[1], x // size[2]]``.

    Parameters
    ----------
    size : int or tuple of 3 int, default (2, 2, 2)
        How often: depth, height and width.
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, depth, height, width, channels), output of as many axes, each times its size. ``dL/dinput`` is the sum
    of dL/doutput over the repetitions. With "channels_first", the channels follow the batch, and are moved to
    the end for the computation.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of these, or the input has another number of axes.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.UpSampling3D((1, 2, 3))(cb.Input((4, 4, 4, 2))).shape
    (None, 4, 8, 12, 2)
    """

    rank = 3

    def __init__(self, size: Any = (2, 2, 2), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = check_data_format(data_format)
        self.size = sizes_for_axes("size", size, 3)
