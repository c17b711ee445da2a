"""SpatialDropout1D, 2D and 3D: dropout of whole feature maps."""

from __future__ import annotations

from typing import Any, ClassVar

from cbackprop.config import check_data_format
from cbackprop.layers.layer import registry
from cbackprop.layers.random_layer import RandomLayer
from cbackprop.tensor import Shape
from cbackprop.validation import check_number

__all__ = ["SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"]


class SpatialDropout(RandomLayer):
    """Base of the three: one random number for each sample and channel."""

    implementation = "dropout.Dropout"
    # The number of axes of a sample, including the channels.
    rank: ClassVar[int]
    data_format = "channels_last"
    shares_noise = False

    adjustable = ("rate",)

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.rate = check_number("rate", rate, 0, 1)

    def sample_noise_shape(self, sample_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the random numbers of one sample."""
        ones = (1,) * (self.rank - 1)
        return (*ones, sample_shape[-1]) if self.data_format == "channels_last" else (sample_shape[0], *ones)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        if len(input_shape) != self.rank + 1:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} needs inputs of {self.rank + 1} axes, the batch included, "
                f"but got shape {input_shape}."
            )
        return input_shape


@registry.register()
class SpatialDropout1D(SpatialDropout):
    """Dropout of whole features of a sequence: all steps of one are dropped, or none.

    In training, each feature of each sample is set to 0 with probability `rate`; the others are divided by
    ``1 - rate``.

    Parameters
    ----------
    rate : float
        The fraction of elements to drop, in [0, 1].
    seed : int, optional
        From 0 to 2**32 - 1. By default it is drawn from the generator that `cbackprop.utils.set_random_seed` seeds.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, steps, features), output of the same shape; the gradient is that of `Dropout`.

    Raises
    ------
    ValueError
        If `rate` is out of range, or the input has another number of axes.

    References
    ----------
    Tompson, Goroshin, Jain, LeCun and Bregler, "Efficient object localization using convolutional networks",
    CVPR 2015, arXiv:1411.4280. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> layer = cb.layers.SpatialDropout1D(0.5, seed=2)
    >>> layer(np.ones((1, 2, 4)), training=True)
    array([[[2., 2., 0., 2.],
            [2., 2., 0., 2.]]], dtype=float32)
    """

    rank = 2


@registry.register()
class SpatialDropout2D(SpatialDropout):
    """Dropout of whole feature maps of an image: all pixels of one are dropped, or none.

    In training, each feature map of each sample is set to 0 with probability `rate`; the others are divided by
    ``1 - rate``.

    Parameters
    ----------
    rate : float
        The fraction of elements to drop, in [0, 1].
    data_format : {"channels_last", "channels_first"}, optional
        "channels_last" by default.
    seed : int, optional
        From 0 to 2**32 - 1. By default it is drawn from the generator that `cbackprop.utils.set_random_seed` seeds.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, height, width, channels), output of the same shape; the gradient is that of `Dropout`.

    Raises
    ------
    ValueError
        If `rate` or `data_format` is not one of these, or the input has another number of axes.

    References
    ----------
    Tompson, Goroshin, Jain, LeCun and Bregler, "Efficient object localization using convolutional networks",
    CVPR 2015, arXiv:1411.4280. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> layer = cb.layers.SpatialDropout2D(0.5, seed=2)
    >>> layer(np.ones((1, 2, 1, 4)), training=True)[0, :, 0]
    array([[2., 2., 0., 2.],
           [2., 2., 0., 2.]], dtype=float32)
    """

    rank = 3

    def __init__(self, rate: float, data_format: str | None = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self.data_format = check_data_format(data_format)


@registry.register()
class SpatialDropout3D(SpatialDropout):
    """Dropout of whole feature maps of a volume: all voxels of one are dropped, or none.

    In training, each feature map of each sample is set to 0 with probability `rate`; the others are divided by
    ``1 - rate``.

    Parameters
    ----------
    rate : float
        The fraction of elements to drop, in [0, 1].
    data_format : {"channels_last", "channels_first"}, optional
        "channels_last" by default.
    seed : int, optional
        From 0 to 2**32 - 1. By default it is drawn from the generator that `cbackprop.utils.set_random_seed` seeds.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input (batch, depth, height, width, channels), output of the same shape; the gradient is that of `Dropout`.

    Raises
    ------
    ValueError
        If `rate` or `data_format` is not one of these, or the input has another number of axes.

    References
    ----------
    Tompson, Goroshin, Jain, LeCun and Bregler, "Efficient object localization using convolutional networks",
    CVPR 2015, arXiv:1411.4280. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> layer = cb.layers.SpatialDropout3D(0.5, seed=2)
    >>> layer(np.ones((1, 1, 2, 1, 4)), training=True)[0, 0, :, 0]
    array([[2., 2., 0., 2.],
           [2., 2., 0., 2.]], dtype=float32)
    """

    rank = 4

    def __init__(self, rate: float, data_format: str | None = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self.data_format = check_data_format(data_format)
