"""RandomTranslation, RandomRotation, RandomZoom and RandomShear: images seen through a random affine map."""

from __future__ import annotations

from typing import Any

from cbackprop.layers.layer import registry
from cbackprop.layers.random_image import FILL_MODES, Interval, RandomImageLayer, check_interval
from cbackprop.validation import check_choice, check_number

__all__ = ["RandomAffineLayer", "RandomRotation", "RandomShear", "RandomTranslation", "RandomZoom"]

Factor = float | tuple[float, float] | list[float]


class RandomAffineLayer(RandomImageLayer):
    """Base of layers whose output at (column, row) is the input at a place that is an affine function of it.

    Parameters
    ----------
    fill_mode, interpolation, fill_value
        See the layers below.
    seed, data_format, **kwargs
        See `RandomImageLayer`.
    """

    def __init__(
        self,
        fill_mode: str,
        interpolation: str,
        fill_value: float,
        seed: int | None,
        data_format: str | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.fill_mode = check_choice("fill_mode", fill_mode, FILL_MODES)
        self.interpolation = check_choice("interpolation", interpolation, ("nearest", "bilinear"))
        self.fill_value = check_number("fill_value", fill_value)

    def flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> int:
        """Eight for each number, and about 40 to find out where a pixel comes from."""
        height, width, channels = output_shape
        return height * width * (40 + 8 * channels)

    def multiply_adds(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> int:
        """None: predictions leave images as they are."""
        return 0


@registry.register()
class RandomTranslation(RandomAffineLayer):
    """Shift images at random in training.

    Parameters
    ----------
    height_factor : float or pair of float
        How far down, as a part of the height: one number f of [-1, 1] for the interval from -f to f, or both of its
        ends. Below 0 it goes up.
    width_factor : float or pair of float
        How far to the right, as a part of the width.
    fill_mode : {"reflect", "wrap", "constant", "nearest"}, default "reflect"
        What is around the image: ``(d c b a | a b c d | d c b a)``, ``(a b c d | a b c d | a b c d)``, `fill_value`, or
        ``(a a a a | a b c d | d d d d)``.
    interpolation : {"bilinear", "nearest"}, default "bilinear"
        Four pixels with weights, or the nearest one.
    seed : int, optional
        From 0 to 2**32 - 1. By default it is drawn from the generator that `cbackprop.utils.set_random_seed` seeds.
    fill_value : float, default 0.0
        For ``fill_mode="constant"``.
    data_format : {"channels_last", "channels_first"}, optional
        `config.image_data_format` by default.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, height, width, channels), or (batch, channels, height, width); output of the same shape.
    With shifts of h and w, ``output[i, j] = input[i - h * height, j - w * width]``.
    Each pixel of the output is a sum of pixels with weights that do not depend on their values. ``dL/dinput`` is the
    sum of ``dL/doutput`` with the same weights.

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
    >>> layer = cb.layers.RandomTranslation(0, (0.25, 0.25), fill_mode="constant")
    >>> layer(np.array([[1.0, 2.0, 3.0, 4.0]]).reshape(1, 1, 4, 1)).ravel()
    array([0., 1., 2., 3.], dtype=float32)
    """

    implementation = "random_geometry.RandomTranslation"

    def __init__(
        self,
        height_factor: Factor,
        width_factor: Factor,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, fill_value, seed, data_format, **kwargs)
        self.height_factor, self.width_factor = height_factor, width_factor
        self.height_range = check_interval("height_factor", height_factor, -1, 1)
        self.width_range = check_interval("width_factor", width_factor, -1, 1)

    @property
    def ranges(self) -> tuple[Interval, ...]:
        """Shifts down and to the right, as parts of the image."""
        return self.height_range, self.width_range


@registry.register()
class RandomRotation(RandomAffineLayer):
    """Turn images about their middle at random in training.

    Parameters
    ----------
    factor : float or pair of float
        How many turns counter-clockwise: one number f of [-1, 1] for the interval from -f to f, or both of its ends.
        Below 0 it goes clockwise.
    fill_mode : {"reflect", "wrap", "constant", "nearest"}, default "reflect"
        What is around the image: ``(d c b a | a b c d | d c b a)``, ``(a b c d | a b c d | a b c d)``, `fill_value`, or
        ``(a a a a | a b c d | d d d d)``.
    interpolation : {"bilinear", "nearest"}, default "bilinear"
        Four pixels with weights, or the nearest one.
    seed : int, optional
        From 0 to 2**32 - 1. By default it is drawn from the generator that `cbackprop.utils.set_random_seed` seeds.
    fill_value : float, default 0.0
        For ``fill_mode="constant"``.
    data_format : {"channels_last", "channels_first"}, optional
        `config.image_data_format` by default.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, height, width, channels), or (batch, channels, height, width); output of the same shape.
    With the angle a and (i, j) counted from the middle,
    ``output[i, j] = input[cos(a) i + sin(a) j, cos(a) j - sin(a) i]``.
    Each pixel of the output is a sum of pixels with weights that do not depend on their values. ``dL/dinput`` is the
    sum of ``dL/doutput`` with the same weights.

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
    >>> layer = cb.layers.RandomRotation((0.25, 0.25))
    >>> layer(np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)).reshape(2, 2)
    array([[2., 4.],
           [1., 3.]], dtype=float32)
    """

    implementation = "random_geometry.RandomRotation"

    def __init__(
        self,
        factor: Factor,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, fill_value, seed, data_format, **kwargs)
        self.factor = check_interval("factor", factor, -1, 1)

    @property
    def ranges(self) -> tuple[Interval, ...]:
        """Turns counter-clockwise."""
        return (self.factor,)


@registry.register()
class RandomZoom(RandomAffineLayer):
    """Zoom images out of and into their middle at random in training.

    Parameters
    ----------
    height_factor : float or pair of float
        How much the height shrinks: one number f of (-1, 1] for the interval from -f to f, or both of its ends. Above 0
        the image gets smaller, and what is around it is seen, too; below 0 it gets larger.
    width_factor : float or pair of float, optional
        The same for the width. By default the proportions stay as they are.
    fill_mode : {"reflect", "wrap", "constant", "nearest"}, default "reflect"
        What is around the image: ``(d c b a | a b c d | d c b a)``, ``(a b c d | a b c d | a b c d)``, `fill_value`, or
        ``(a a a a | a b c d | d d d d)``.
    interpolation : {"bilinear", "nearest"}, default "bilinear"
        Four pixels with weights, or the nearest one.
    seed : int, optional
        From 0 to 2**32 - 1. By default it is drawn from the generator that `cbackprop.utils.set_random_seed` seeds.
    fill_value : float, default 0.0
        For ``fill_mode="constant"``.
    data_format : {"channels_last", "channels_first"}, optional
        `config.image_data_format` by default.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, height, width, channels), or (batch, channels, height, width); output of the same shape.
    With factors h and w and (i, j) counted from the middle, ``output[i, j] = input[(1 + h) i, (1 + w) j]``.
    Each pixel of the output is a sum of pixels with weights that do not depend on their values. ``dL/dinput`` is the
    sum of ``dL/doutput`` with the same weights.

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
    >>> layer = cb.layers.RandomZoom((0.0, 0.0), (1.0, 1.0), fill_mode="constant")
    >>> layer(np.array([[1.0, 2.0, 3.0, 4.0]]).reshape(1, 1, 4, 1)).ravel()
    array([0. , 1.5, 3.5, 0. ], dtype=float32)
    """

    implementation = "random_geometry.RandomZoom"

    def __init__(
        self,
        height_factor: Factor,
        width_factor: Factor | None = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, fill_value, seed, data_format, **kwargs)
        self.height_factor, self.width_factor = height_factor, width_factor
        self.height_range = check_interval("height_factor", height_factor, -1, 1, open_low=True)
        self.width_range = self.height_range
        if width_factor is not None:
            self.width_range = check_interval("width_factor", width_factor, -1, 1, open_low=True)

    @property
    def ranges(self) -> tuple[Interval, ...]:
        """How many pixels of the input a pixel of the output is high and wide."""
        height, width = self.height_range, self.width_range
        return (1 + height[0], 1 + height[1]), (1 + width[0], 1 + width[1])


@registry.register()
class RandomShear(RandomAffineLayer):
    """Shear images at random in training.

    Parameters
    ----------
    x_factor : float or pair of float, default 0.0
        By how many columns each row is shifted against the one above: one number f of [0, 1] for the interval from -f
        to f, or both of its ends, of [0, 1].
    y_factor : float or pair of float, default 0.0
        By how many rows each column is shifted against the one to its left.
    interpolation : {"bilinear", "nearest"}, default "bilinear"
        Four pixels with weights, or the nearest one.
    fill_mode : {"reflect", "wrap", "constant", "nearest"}, default "reflect"
        What is around the image: ``(d c b a | a b c d | d c b a)``, ``(a b c d | a b c d | a b c d)``, `fill_value`, or
        ``(a a a a | a b c d | d d d d)``.
    fill_value : float, default 0.0
        For ``fill_mode="constant"``.
    data_format : {"channels_last", "channels_first"}, optional
        `config.image_data_format` by default.
    seed : int, optional
        From 0 to 2**32 - 1. By default it is drawn from the generator that `cbackprop.utils.set_random_seed` seeds.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, height, width, channels), or (batch, channels, height, width); output of the same shape.
    With factors x and y, which change their signs for half of the images,
    ``output[i, j] = input[i + y j, j + x i]``: the upper left corner stays where it is.
    Each pixel of the output is a sum of pixels with weights that do not depend on their values. ``dL/dinput`` is the
    sum of ``dL/doutput`` with the same weights.

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
    >>> layer = cb.layers.RandomShear((1.0, 1.0), fill_mode="wrap", seed=2)
    >>> layer(np.arange(9.0).reshape(1, 3, 3, 1)).reshape(3, 3)
    array([[0., 1., 2.],
           [5., 3., 4.],
           [7., 8., 6.]], dtype=float32)
    """

    implementation = "random_geometry.RandomShear"

    def __init__(
        self,
        x_factor: Factor = 0.0,
        y_factor: Factor = 0.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, fill_value, seed, data_format, **kwargs)
        self.x_factor, self.y_factor = x_factor, y_factor
        self.x_range = check_interval("x_factor", x_factor, 0, 1)
        self.y_range = check_interval("y_factor", y_factor, 0, 1)

    @property
    def ranges(self) -> tuple[Interval, ...]:
        """Columns for each row, and rows for each column."""
        return self.x_range, self.y_range
