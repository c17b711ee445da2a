"""AdaptiveMaxPooling and AdaptiveAveragePooling: maxima or means of as many windows as are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.layers.layer import registry
from cbackprop.layers.spatial import sizes_for_axes
from cbackprop.layers.window_pooling import WindowPooling

__all__ = [
    "AdaptiveAveragePooling1D",
    "AdaptiveAveragePooling2D",
    "AdaptiveAveragePooling3D",
    "AdaptiveMaxPooling1D",
    "AdaptiveMaxPooling2D",
    "AdaptiveMaxPooling3D",
]


class AdaptivePooling(WindowPooling):
    """Base of layers that pool each of a given number of parts of the input."""

    def __init__(self, output_size: int | Sequence[int], data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.output_size = sizes_for_axes("output_size", output_size, self.rank)

    def spatial_output(self, sizes: tuple[int, ...], channels: int) -> tuple[tuple[int, ...], int]:
        """The sizes that are wanted."""
        return self.output_size, channels

    def windows(self, sizes: tuple[int, ...]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """Window i of n begins at floor(i size / n), and ends at ceil((i + 1) size / n)."""
        found = []
        for size, count in zip(sizes, self.output_size, strict=True):
            numbers = np.arange(count)
            found.append((numbers * size // count, -(-(numbers + 1) * size // count)))
        return found


@registry.register()
class AdaptiveMaxPooling1D(AdaptivePooling):
    """Divide a signal into parts, and take the maximum of each part, for each channel.

    Parameters
    ----------
    output_size : int
        How many parts there are.
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, steps, channels), output ``(batch, *output_size, channels)``. Part i of the n parts
    of an axis begins at element floor(i size / n), and ends before element ceil((i + 1) size / n). So neighboring parts
    overlap if n does not divide the size. The gradient is that of `MaxPooling1D`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or the input has another number of axes.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> x = np.array([1.0, 5.0, 2.0, 3.0, 4.0]).reshape(1, 5, 1)
    >>> cb.layers.AdaptiveMaxPooling1D(2)(x).ravel()
    array([5., 4.], dtype=float32)
    """

    rank = 1
    implementation = "pooling.MaxPooling"


@registry.register()
class AdaptiveMaxPooling2D(AdaptivePooling):
    """Divide an image into parts, and take the maximum of each part, for each channel.

    Parameters
    ----------
    output_size : int or tuple of 2 int
        How many parts there are along each axis; one number for all axes.
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, height, width, channels), output ``(batch, *output_size, channels)``. Part i of the n parts
    of an axis begins at element floor(i size / n), and ends before element ceil((i + 1) size / n). So neighboring parts
    overlap if n does not divide the size. The gradient is that of `MaxPooling2D`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or the input has another number of axes.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> x = np.arange(12.0).reshape(1, 3, 4, 1)
    >>> cb.layers.AdaptiveMaxPooling2D(2)(x)[0, :, :, 0]
    array([[ 5.,  7.],
           [ 9., 11.]], dtype=float32)
    """

    rank = 2
    implementation = "pooling.MaxPooling"


@registry.register()
class AdaptiveMaxPooling3D(AdaptivePooling):
    """Divide a volume into parts, and take the maximum of each part, for each channel.

    Parameters
    ----------
    output_size : int or tuple of 3 int
        How many parts there are along each axis; one number for all axes.
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, depth, height, width, channels), output ``(batch, *output_size, channels)``. Part i of the n parts
    of an axis begins at element floor(i size / n), and ends before element ceil((i + 1) size / n). So neighboring parts
    overlap if n does not divide the size. The gradient is that of `MaxPooling3D`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or the input has another number of axes.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> x = np.arange(16.0).reshape(1, 2, 4, 2, 1)
    >>> cb.layers.AdaptiveMaxPooling3D((1, 2, 1))(x).ravel()
    array([11., 15.], dtype=float32)
    """

    rank = 3
    implementation = "pooling.MaxPooling"


@registry.register()
class AdaptiveAveragePooling1D(AdaptivePooling):
    """Divide a signal into parts, and take the mean of each part, for each channel.

    Parameters
    ----------
    output_size : int
        How many parts there are.
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, steps, channels), output ``(batch, *output_size, channels)``. Part i of the n parts
    of an axis begins at element floor(i size / n), and ends before element ceil((i + 1) size / n). So neighboring parts
    overlap if n does not divide the size. The gradient is that of `AveragePooling1D`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or the input has another number of axes.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> x = np.array([1.0, 5.0, 3.0, 3.0, 6.0]).reshape(1, 5, 1)
    >>> cb.layers.AdaptiveAveragePooling1D(2)(x).ravel()
    array([3., 4.], dtype=float32)
    """

    rank = 1
    implementation = "pooling.AveragePooling"


@registry.register()
class AdaptiveAveragePooling2D(AdaptivePooling):
    """Divide an image into parts, and take the mean of each part, for each channel.

    Parameters
    ----------
    output_size : int or tuple of 2 int
        How many parts there are along each axis; one number for all axes.
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, height, width, channels), output ``(batch, *output_size, channels)``. Part i of the n parts
    of an axis begins at element floor(i size / n), and ends before element ceil((i + 1) size / n). So neighboring parts
    overlap if n does not divide the size. The gradient is that of `AveragePooling2D`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or the input has another number of axes.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> x = np.arange(12.0).reshape(1, 3, 4, 1)
    >>> cb.layers.AdaptiveAveragePooling2D(2)(x)[0, :, :, 0]
    array([[2.5, 4.5],
           [6.5, 8.5]], dtype=float32)
    """

    rank = 2
    implementation = "pooling.AveragePooling"


@registry.register()
class AdaptiveAveragePooling3D(AdaptivePooling):
    """Divide a volume into parts, and take the mean of each part, for each channel.

    Parameters
    ----------
    output_size : int or tuple of 3 int
        How many parts there are along each axis; one number for all axes.
    data_format : {"channels_last", "channels_first"}, optional
        By default that of `config.image_data_format`.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, depth, height, width, channels), output ``(batch, *output_size, channels)``. Part i of the n parts
    of an axis begins at element floor(i size / n), and ends before element ceil((i + 1) size / n). So neighboring parts
    overlap if n does not divide the size. The gradient is that of `AveragePooling3D`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or the input has another number of axes.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> x = np.arange(16.0).reshape(1, 2, 4, 2, 1)
    >>> cb.layers.AdaptiveAveragePooling3D((1, 2, 1))(x).ravel()
    array([5.5, 9.5], dtype=float32)
    """

    rank = 3
    implementation = "pooling.AveragePooling"
