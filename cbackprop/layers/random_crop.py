"""RandomCrop: a part of each image, at random in training."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.layers.layer import registry
from cbackprop.layers.random_image import RandomImageLayer
from cbackprop.validation import check_integer

__all__ = ["RandomCrop"]


@registry.register()
class RandomCrop(RandomImageLayer):
    """Cut images to a size, at a random place in training.

    All images of a batch are cut at the same place, as in Keras. Where an image is not larger than that size in both
    directions, and always outside of training, the output is the largest part of the image, about its middle, that has
    the right proportions, resized.

    Parameters
    ----------
    height, width : int
        Of the output, in pixels.
    seed : int, optional
        From 0 to 2**32 - 1. By default it is drawn from the generator that `cbackprop.utils.set_random_seed` seeds.
    data_format : {"channels_last", "channels_first"}, optional
        `config.image_data_format` by default.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, rows, columns, channels), or (batch, channels, rows, columns); output (batch, height, width,
    channels), or (batch, channels, height, width). Resized images are made by bilinear interpolation. Deltas go to the
    pixels that were read, with the same weights; those of others are 0.

    A call on arrays counts as training unless it says ``training=False``, as in Keras. An array of three axes is one
    image. The same seed gives the same places, but not those of Keras, whose generators are others. Outside of training
    Keras 3.15 promises this output, too, but returns the whole image, for which a next layer need not be built. For an
    image that is smaller than the output in one direction only, its window has other proportions.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range, or the input is no image.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> layer = cb.layers.RandomCrop(1, 2, seed=1)
    >>> x = np.arange(12.0).reshape(1, 3, 4, 1)
    >>> layer(x).ravel()
    array([10., 11.], dtype=float32)
    >>> layer(x, training=False).ravel()
    array([2.5, 4.5], dtype=float32)
    """

    implementation = "random_geometry.RandomCrop"

    def __init__(
        self, height: int, width: int, seed: int | None = None, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.height = check_integer("height", height, 1)
        self.width = check_integer("width", width, 1)

    def spatial_output(self, sizes: tuple[int, ...], channels: int) -> tuple[tuple[int, ...], int]:
        """The sizes that were asked for."""
        return (self.height, self.width), channels

    def moves_in(self, sizes: tuple[int, int]) -> bool:
        """Whether in training the window stands at a random place of an image of this height and width."""
        return sizes[0] > self.height and sizes[1] > self.width

    def window_in(self, sizes: tuple[int, int]) -> tuple[int, int, int, int]:
        """Top, left, height and width of the part about the middle that is resized: as large as it can be."""
        height, width = sizes
        rows = max(min(height, int(width * self.height / self.width)), 1)
        columns = max(min(width, int(height * self.width / self.height)), 1)
        return (height - rows) // 2, (width - columns) // 2, rows, columns

    def resizing_map(self, window: tuple[int, int]) -> tuple[float, float, float, float, float, float]:
        """The affine map from the output's pixels to the window's, so that their corners coincide."""
        down, right = window[0] / self.height, window[1] / self.width
        return right, 0.0, 0.5 * right - 0.5, 0.0, down, 0.5 * down - 0.5

    def weights_in(self, sizes: tuple[int, int]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Two matrices that resize and crop an image of this height and width, as the layer does outside of training.

        An output row is a weighted sum of the image's rows, with the weights in a row of the first matrix. The second
        matrix has the weights of columns.
        """
        top, left, *window = self.window_in(sizes)
        found = []
        for size, start, length, wanted in zip(sizes, (top, left), window, (self.height, self.width), strict=True):
            place = np.clip((np.arange(wanted) + 0.5) * (length / wanted) - 0.5, 0, length - 1)
            distance = np.abs(place[:, np.newaxis] + start - np.arange(size))
            found.append(np.maximum(1 - distance, 0))
        return found[0], found[1]
