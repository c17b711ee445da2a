"""Layers that add noise, or multiply by it, while a network is trained."""

from __future__ import annotations

import math
from typing import Any

from cbackprop.layers.layer import registry
from cbackprop.layers.random_layer import RandomLayer
from cbackprop.validation import check_number

__all__ = ["GaussianDropout", "GaussianNoise"]


@registry.register()
class GaussianNoise(RandomLayer):
    """Noise of the normal distribution: in training, ``output = input + stddev * n`` with n of mean 0 and variance 1.

    Outside of training the output is the input.

    Parameters
    ----------
    stddev : float
        Standard deviation of the noise, in [0, 1].
    seed : int, optional
        From 0 to 2**32 - 1; drawn from `cbackprop.utils.set_random_seed`'s generator by default.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input of any shape, output of the same shape; ``dL/dinput = dL/doutput``.
    The noise depends on what the mask of `Dropout` depends on.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range.

    References
    ----------
    Box and Muller, "A note on the generation of random normal deviates", Annals of Mathematical Statistics 29, 1958.
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> layer = cb.layers.GaussianNoise(0.1, seed=1)
    >>> layer([[1.0, 2.0]])
    array([[1., 2.]], dtype=float32)
    >>> noisy = layer([[1.0, 2.0]], training=True)
    >>> bool((noisy != [[1.0, 2.0]]).all())
    True
    """

    adjustable = ("stddev",)

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.stddev = check_number("stddev", stddev, 0, 1)


@registry.register()
class GaussianDropout(RandomLayer):
    """Noise that multiplies: in training, ``output = input * (1 + stddev * n)``, ``stddev = sqrt(rate / (1 - rate))``.

    n is of the normal distribution with mean 0 and variance 1. Outside of training the output is the input.

    Parameters
    ----------
    rate : float
        As with `Dropout`, in [0, 1): then mean and variance of the factors are the same there and here.
    seed : int, optional
        From 0 to 2**32 - 1; drawn from `cbackprop.utils.set_random_seed`'s generator by default.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input of any shape, output of the same shape; ``dL/dinput = dL/doutput * (1 + stddev * n)``.
    The noise depends on what the mask of `Dropout` depends on.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range.

    References
    ----------
    Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a simple way to prevent neural networks
    from overfitting", JMLR 15, 2014, section 10. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> layer = cb.layers.GaussianDropout(0.2, seed=1)
    >>> layer([[1.0, 2.0]])
    array([[1., 2.]], dtype=float32)
    >>> layer([[0.0, 2.0]], training=True)[0, 0]
    np.float32(0.0)
    """

    adjustable = ("rate",)

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        self.rate = check_number("rate", rate, 0, 1, open_maximum=True)

    @property
    def stddev(self) -> float:
        """Standard deviation of the factors."""
        return math.sqrt(self.rate / (1 - self.rate))
