"""RandomBrightness and RandomContrast: images that are lighter, darker or have more contrast at random in training."""

from __future__ import annotations

from typing import Any

from cbackprop.contract.expansion import Mask, Steps, Value
from cbackprop.layers.layer import Layer, registry
from cbackprop.layers.random_image import Interval, RandomImageLayer, check_interval
from cbackprop.validation import ArgumentTypeError, check_number

__all__ = ["RandomBrightness", "RandomColorLayer", "RandomContrast"]


def check_value_range(value: Any) -> Interval:
    """`value_range` as two numbers, the smaller one first.

    Raises
    ------
    TypeError, ValueError
        If it is anything but two different numbers.
    """
    if not isinstance(value, (list, tuple)):
        raise ArgumentTypeError(f"value_range must be two numbers, but got {value!r} of type {type(value).__name__}.")
    if len(value) != 2:
        raise ValueError(f"value_range must be two numbers, but got {value!r}.")
    low, high = sorted(check_number(f"value_range[{i}]", number) for i, number in enumerate(value))
    if low == high:
        raise ValueError(f"value_range must be two different numbers, but got {value!r}.")
    return low, high


class RandomColorLayer(RandomImageLayer):
    """Base of layers that change the values of pixels, which stay within a range.

    Parameters
    ----------
    value_range : pair of float
    seed, data_format, **kwargs
        See `RandomImageLayer`.
    """

    def __init__(self, value_range: Any, seed: int | None, data_format: str | None, **kwargs: Any) -> None:
        super().__init__(seed, data_format, **kwargs)
        self.value_range = check_value_range(value_range)


@registry.register()
class RandomBrightness(RandomColorLayer):
    """Make images lighter or darker at random in training.

    Parameters
    ----------
    factor : float or pair of float
        A number is drawn from this interval, multiplied by the length of the range of values, and added. One number f
        in [-1, 1] means the interval from -f to f; two numbers are its ends. With -1 an image becomes black, with 1
        white.
    value_range : pair of float, default (0, 255)
        The smallest and the largest value of pixels, to which the output is clipped. Give (0, 1) if pixels are from 0
        to 1.
    seed : int, optional
        From 0 to 2**32 - 1. By default it is drawn from the generator that `cbackprop.utils.set_random_seed` seeds.
    data_format : {"channels_last", "channels_first"}, optional
        `config.image_data_format` by default.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, height, width, channels), or (batch, channels, height, width); output of the same shape:
    ``output = clip(input + f * (high - low), low, high)`` with one f for each image. ``dL/dinput`` is ``dL/doutput``,
    but 0 where the output was clipped.

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
    >>> layer = cb.layers.RandomBrightness((0.5, 0.5), value_range=(0, 1))
    >>> layer(np.array([0.0, 0.25, 0.75]).reshape(1, 1, 3, 1)).ravel()
    array([0.5 , 0.75, 1.  ], dtype=float32)
    """

    implementation = "random_color.RandomBrightness"

    def __init__(
        self,
        factor: float | tuple[float, float] | list[float],
        value_range: tuple[float, float] | list[float] = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, seed, data_format, **kwargs)
        self.factor = check_interval("factor", factor, -1, 1)

    @property
    def ranges(self) -> tuple[Interval, ...]:
        """The number that is added."""
        low, high = self.value_range
        return ((self.factor[0] * (high - low), self.factor[1] * (high - low)),)

    def expand(self, steps: Steps, inputs: list[Value], shape: tuple[int, ...], mask: Mask | None) -> Value:
        """Add the step of the layer. To add a number, it makes no difference which axis the channels are."""
        return Layer.expand(self, steps, inputs, shape, mask)


@registry.register()
class RandomContrast(RandomColorLayer):
    """Change the contrast of images at random in training.

    Parameters
    ----------
    factor : float or pair of float
        The contrast is multiplied by a number from ``1 - lower`` to ``1 + upper``. Two numbers in [0, 1] are lower and
        upper, the smaller one first. One number f means (0, f), as in Keras 3.15.
    value_range : pair of float, default (0, 255)
        The smallest and the largest value of pixels, to which the output is clipped. Give (0, 1) if pixels are from 0
        to 1.
    seed : int, optional
        From 0 to 2**32 - 1. By default it is drawn from the generator that `cbackprop.utils.set_random_seed` seeds.
    data_format : {"channels_last", "channels_first"}, optional
        `config.image_data_format` by default.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, height, width, channels), or (batch, channels, height, width); output of the same shape:
    ``output = clip((input - m) * c + m, low, high)`` with one c for each image, and the mean m of each channel of it.
    With g, which is ``dL/doutput``, but 0 where the output was clipped, ``dL/dinput = c * g + (1 - c) * mean(g)``.

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
    >>> layer = cb.layers.RandomContrast((1.0, 1.0), value_range=(0, 1), seed=1)
    >>> y = layer(np.array([0.4, 0.5, 0.6]).reshape(1, 1, 3, 1)).ravel()
    >>> bool(np.isclose(y[0] + y[2], 1.0)), float(y[1])
    (True, 0.5)
    """

    implementation = "random_color.RandomContrast"

    def __init__(
        self,
        factor: float | tuple[float, float] | list[float],
        value_range: tuple[float, float] | list[float] = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, seed, data_format, **kwargs)
        self.factor = check_interval("factor", factor, 0, 1, lowest=0.0)

    @property
    def ranges(self) -> tuple[Interval, ...]:
        """The interval of the factor of the contrast."""
        return ((1 - self.factor[0], 1 + self.factor[1]),)
