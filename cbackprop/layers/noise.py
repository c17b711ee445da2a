"""Layers that add or multiply random noise in training: GaussianNoise and GaussianDropout."""

from __future__ import annotations

import math
from typing import Any

from cbackprop.layers.layer import registry
from cbackprop.layers.random_layer import RandomLayer
from cbackprop.validation import check_number

__all__ = ["GaussianDropout", "GaussianNoise"]


@registry.register()
class GaussianNoise(RandomLayer):
    """Add noise in training: ``output = input + stddev * n`` with n from the standard normal distribution.

    Outside of training the output is the input.

    Parameters
    ----------
    stddev : float
        Standard deviation of the noise, in [0, 1].
    seed : int, optional
        From 0 to 2**32 - 1. By default it is drawn from the generator that `cbackprop.utils.set_random_seed` seeds.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input of any shape, output of the same shape; ``dL/dinput = dL/doutput``.
    The noise depends on the same things as the mask of `Dropout`.

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
    """Multiply by noise in training: ``output = input * (1 + stddev * n)`` with ``stddev = sqrt(rate / (1 - rate))``.

    n is from the standard normal distribution. Outside of training the output is the input.

    Parameters
    ----------
    rate : float
        In [0, 1). The factors have the same mean and variance as those of `Dropout` with this rate.
    seed : int, optional
        From 0 to 2**32 - 1. By default it is drawn from the generator that `cbackprop.utils.set_random_seed` seeds.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input of any shape, output of the same shape; ``dL/dinput = dL/doutput * (1 + stddev * n)``.
    The noise depends on the same things as the mask of `Dropout`.

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
