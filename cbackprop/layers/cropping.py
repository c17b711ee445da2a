"""Cropping1D, 2D and 3D, CenterCrop: a part of signals, images and volumes."""

from __future__ import annotations

from typing import Any

from cbackprop.config import check_data_format
from cbackprop.contract.interpolation import Resampling, cropped_to_aspect_ratio
from cbackprop.layers.layer import registry
from cbackprop.layers.operation import Operation
from cbackprop.layers.padding_sides import Sides, sides_of_axes, sides_of_axis
from cbackprop.layers.resizing import Resampled
from cbackprop.layers.spatial import AxesLayer, ImageLayer
from cbackprop.validation import check_integer

__all__ = ["CenterCrop", "Cropping1D", "Cropping2D", "Cropping3D"]


class Cropping(AxesLayer):
    """Base of the three."""

    implementation = "boxes.Cropping"
    rearranges = True
    cropping: Any

    @property
    def sides(self) -> Sides:
        """For each axis, how many elements are cut off at its beginning and at its end."""
        sides: Sides = self.cropping
        return sides

    def sides_for(self, input_shape: tuple[int, ...]) -> Sides:
        """The same for samples of this shape. In `CenterCrop` it depends on the shape."""
        return self.sides

    def spatial_output(self, sizes: tuple[int, ...], channels: int) -> tuple[tuple[int, ...], int]:
        """Every axis, shortened by the parts that are cut off."""
        left = tuple(size - sum(ends) for size, ends in zip(sizes, self.sides, strict=True))
        if any(size < 1 for size in left):
            raise ValueError(
                f"{type(self).__name__} {self.name!r} cuts off {self.cropping}, which leaves nothing of inputs "
                f"whose axes have the sizes {sizes}."
            )
        return left, channels


@registry.register()
class Cropping1D(Cropping):
    """Cut off the ends of a sequence.

    ``output[t] = input[t + before]``.

    Parameters
    ----------
    cropping : int or tuple of 2 int, default (1, 1)
        How many elements to cut off at each end, or ``(before, after)``.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, steps, features), output (batch, steps', features),
    where each size' is that of the input minus before and after.
    ``dL/dinput`` is dL/doutput, and 0 where the input was cut off.

    Raises
    ------
    TypeError, ValueError
        If `cropping` is not one of these, or the input has another number of axes or would have
        nothing left.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.Cropping1D((1, 2))([[[1.0], [2.0], [3.0], [4.0], [5.0]]])[0, :, 0]
    array([2., 3.], dtype=float32)
    """

    rank = 1

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cropping = sides_of_axis("cropping", cropping)

    @property
    def sides(self) -> Sides:
        """How many steps are cut off in front and behind."""
        return (self.cropping,)


@registry.register()
class Cropping2D(Cropping):
    """Cut off the borders of an image.

    ``output[y, x] = input[y + before_y, x + before_x]``.

    Parameters
    ----------
    cropping : int, tuple of 2 int, or tuple of 2 tuples of 2 int, default ((0, 0), (0, 0))
        How many elements to cut off at all ends, or for each of height, width at both
        of its ends, or ``((before, after), ...)``.
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, height, width, channels), output (batch, height', width', channels),
    where each size' is that of the input minus before and after.
    ``dL/dinput`` is dL/doutput, and 0 where the input was cut off.
    With "channels_first", the channels follow the batch, and are moved to the end for the computation.

    Raises
    ------
    TypeError, ValueError
        If `cropping` or `data_format` is not one of these, or the input has another number of axes or would have
        nothing left.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.Cropping2D(((1, 0), (0, 2)))([[[[1.0], [2.0], [3.0]], [[4.0], [5.0], [6.0]]]])[0, :, :, 0]
    array([[4.]], dtype=float32)
    """

    rank = 2

    def __init__(self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = check_data_format(data_format)
        self.cropping = sides_of_axes("cropping", cropping, 2)


@registry.register()
class Cropping3D(Cropping):
    """Cut off the borders of a volume.

    ``output[z, y, x] = input[z + before_z, y + before_y, x + before_x]``.

    Parameters
    ----------
    cropping : int, tuple of 3 int, or tuple of 3 tuples of 2 int, default ((1, 1), (1, 1), (1, 1))
        How many elements to cut off at all ends, or for each of depth, height, width at both
        of its ends, or ``((before, after), ...)``.
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, depth, height, width, channels), output (batch, depth', height', width', channels),
    where each size' is that of the input minus before and after.
    ``dL/dinput`` is dL/doutput, and 0 where the input was cut off.
    With "channels_first", the channels follow the batch, and are moved to the end for the computation.

    Raises
    ------
    TypeError, ValueError
        If `cropping` or `data_format` is not one of these, or the input has another number of axes or would have
        nothing left.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.Cropping3D((0, 1, 2))(cb.Input((4, 6, 8, 3))).shape
    (None, 4, 4, 4, 3)
    """

    rank = 3

    def __init__(self, cropping: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = check_data_format(data_format)
        self.cropping = sides_of_axes("cropping", cropping, 3)


@registry.register()
class CenterCrop(ImageLayer):
    """The center of images.

    Images that are smaller than wanted in height or width are resized: their largest part, from the center, with the
    wanted aspect ratio is interpolated bilinearly.

    Parameters
    ----------
    height, width : int
        Of the output.
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, rows, columns, channels), output (batch, height, width, channels); a single image has no axis of the
    batch. The part begins at row ``(rows - height) // 2`` and column ``(columns - width) // 2``. ``dL/dinput`` is
    dL/doutput, and 0 around it; for smaller images see `Resizing`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of these, or the input has another number of axes.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> cb.layers.CenterCrop(2, 2)(np.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0]
    array([[ 5.,  6.],
           [ 9., 10.]], dtype=float32)
    """

    implementation = "boxes.Cropping"
    rearranges = True

    def __init__(self, height: int, width: int, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.height = check_integer("height", height, 1)
        self.width = check_integer("width", width, 1)

    def spatial_output(self, sizes: tuple[int, ...], channels: int) -> tuple[tuple[int, ...], int]:
        """The height and the width that are wanted."""
        return (self.height, self.width), channels

    def sides_for(self, input_shape: tuple[int, ...]) -> Sides:
        """The rows and columns to cut off at both ends of samples of this shape; negative if they are too small."""
        spare = input_shape[0] - self.height, input_shape[1] - self.width
        return tuple((total // 2, total - total // 2) for total in spare)

    def operation_on(self, input_shape: tuple[int, ...]) -> Operation:
        """A copy of the center, or of its interpolation."""
        if input_shape[0] >= self.height and input_shape[1] >= self.width:
            return self
        target = self.height, self.width
        windows = cropped_to_aspect_ratio(input_shape[:2], target)
        return Resampled(f"{self.name}/resize", self.dtype, Resampling(target, windows, "bilinear"))
