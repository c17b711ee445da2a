"""ZeroPadding1D, 2D and 3D: zeros around signals, images and volumes."""

from __future__ import annotations

from typing import Any

from cbackprop.layers.layer import registry
from cbackprop.layers.padding_sides import Sides, sides_of_axes, sides_of_axis
from cbackprop.layers.spatial import SpatialLayer

__all__ = ["ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D"]


class ZeroPadding(SpatialLayer):
    """Base of the three."""

    implementation = "boxes.Padding"
    rearranges = True
    padding: Any

    @property
    def sides(self) -> Sides:
        """For each axis how many zeros are put in front and behind."""
        sides: Sides = self.padding
        return sides

    def sides_for(self, input_shape: tuple[int, ...]) -> Sides:
        """The same for samples of this shape. In `CenterCrop` it depends on the shape."""
        return self.sides

    def spatial_output(self, sizes: tuple[int, ...], channels: int) -> tuple[tuple[int, ...], int]:
        """Every axis, longer by its zeros."""
        grown = (before + size + after for size, (before, after) in zip(sizes, self.sides, strict=True))
        return tuple(grown), channels


@registry.register()
class ZeroPadding1D(ZeroPadding):
    """Put zeros around a sequence.

    ``output[t] = input[t - before]``, and 0 where there is no such step.

    Parameters
    ----------
    padding : int or tuple of 2 int, default 1
        How many zeros to add at each end, or ``(before, after)``.
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, steps, features), output (batch, steps', features),
    where each size' is that of the input plus before and after.
    ``dL/dinput`` is the part of dL/doutput that is not padding.
    With "channels_first", the channels follow the batch, and are moved to the end for the computation.

    Raises
    ------
    TypeError, ValueError
        If `padding` or `data_format` is not one of these, or the input has another number of axes.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.ZeroPadding1D((1, 2))([[[1.0], [2.0]]])[0, :, 0]
    array([0., 1., 2., 0., 0.], dtype=float32)
    """

    rank = 1

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.padding = sides_of_axis("padding", padding)

    @property
    def sides(self) -> Sides:
        """How many zeros are put in front and behind."""
        return (self.padding,)


@registry.register()
class ZeroPadding2D(ZeroPadding):
    """Put zeros around an image.

    ``output[y, x] = input[y - before_y, x - before_x]``, and 0 outside of the input.

    Parameters
    ----------
    padding : int, tuple of 2 int, or tuple of 2 tuples of 2 int, default (1, 1)
        How many zeros to add at all ends, or for each of height, width at both
        of its ends, or ``((before, after), ...)``.
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, height, width, channels), output (batch, height', width', channels),
    where each size' is that of the input plus before and after.
    ``dL/dinput`` is the part of dL/doutput that is not padding.
    With "channels_first", the channels follow the batch, and are moved to the end for the computation.

    Raises
    ------
    TypeError, ValueError
        If `padding` or `data_format` is not one of these, or the input has another number of axes.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.ZeroPadding2D(((1, 0), (0, 2)))([[[[1.0], [2.0]]]])[0, :, :, 0]
    array([[0., 0., 0., 0.],
           [1., 2., 0., 0.]], dtype=float32)
    """

    rank = 2

    def __init__(self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.padding = sides_of_axes("padding", padding, 2)


@registry.register()
class ZeroPadding3D(ZeroPadding):
    """Put zeros around a volume.

    ``output[z, y, x] = input[z - before_z, y - before_y, x - before_x]``, and 0 outside of the input.

    Parameters
    ----------
    padding : int, tuple of 3 int, or tuple of 3 tuples of 2 int, default ((1, 1), (1, 1), (1, 1))
        How many zeros to add at all ends, or for each of depth, height, width at both
        of its ends, or ``((before, after), ...)``.
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, depth, height, width, channels), output (batch, depth', height', width', channels),
    where each size' is that of the input plus before and after.
    ``dL/dinput`` is the part of dL/doutput that is not padding.
    With "channels_first", the channels follow the batch, and are moved to the end for the computation.

    Raises
    ------
    TypeError, ValueError
        If `padding` or `data_format` is not one of these, or the input has another number of axes.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.ZeroPadding3D((0, 1, 2))(cb.Input((4, 4, 4, 3))).shape
    (None, 4, 6, 8, 3)
    """

    rank = 3

    def __init__(self, padding: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.padding = sides_of_axes("padding", padding, 3)
