"""RandomFlip: mirror images at random in training."""

from __future__ import annotations

from typing import Any

from cbackprop.layers.layer import registry
from cbackprop.layers.random_image import RandomImageLayer
from cbackprop.validation import check_choice

__all__ = ["RandomFlip"]


@registry.register()
class RandomFlip(RandomImageLayer):
    """Mirror half of the images in training.

    Parameters
    ----------
    mode : {"horizontal_and_vertical", "horizontal", "vertical"}, default "horizontal_and_vertical"
        "horizontal" exchanges left and right, "vertical" top and bottom. With "horizontal_and_vertical" an image is
        mirrored both ways or not at all, as in Keras 3.15.
    seed : int, optional
        From 0 to 2**32 - 1. By default it is drawn from the generator that `cbackprop.utils.set_random_seed` seeds.
    data_format : {"channels_last", "channels_first"}, optional
        `config.image_data_format` by default.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, height, width, channels), or (batch, channels, height, width); output of the same shape. The deltas
    are mirrored back.

    Images change in training, each in its own way, and are left alone in predictions. A call on arrays counts as
    training unless it says ``training=False``, as in Keras, and each call draws new numbers. An array of three axes is
    one image. The same seed gives the same images, but not those of Keras, whose generators are others.

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
    >>> layer = cb.layers.RandomFlip("horizontal", seed=1)
    >>> x = np.tile([1.0, 2.0, 3.0], 4).reshape(4, 1, 3, 1)
    >>> layer(x)[:, 0, :, 0]
    array([[1., 2., 3.],
           [1., 2., 3.],
           [3., 2., 1.],
           [1., 2., 3.]], dtype=float32)
    """

    implementation = "random_geometry.RandomFlip"

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.mode = check_choice("mode", mode, ("horizontal", "vertical", "horizontal_and_vertical"))

    @property
    def flips_axes(self) -> tuple[bool, bool]:
        """Whether the order of rows is reversed, and whether that of columns is."""
        return "vertical" in self.mode, "horizontal" in self.mode
