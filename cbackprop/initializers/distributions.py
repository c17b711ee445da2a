"""Initializers that draw from a distribution with given parameters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.initializers.initializer import Initializer, check_seed, registry
from cbackprop.random import generator
from cbackprop.validation import check_number

__all__ = ["TRUNCATED_STDDEV", "RandomNormal", "RandomUniform", "TruncatedNormal", "truncated_standard_normal"]

# The standard deviation of the standard normal distribution cut at -2 and 2: sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)).
TRUNCATED_STDDEV = 0.87962566103423978


def truncated_standard_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[Any]:
    """Draws from the standard normal distribution given that they lie in [-2, 2].

    Draws outside are repeated. The alternative, the inverse distribution function, is no faster (0.16 s against 0.13 s
    for 4 million numbers), and importing ``scipy.special`` for it takes another 0.16 s.
    """
    draws = rng.standard_normal(math.prod(shape))
    outside = np.flatnonzero(np.abs(draws) > 2)
    while outside.size:
        draws[outside] = rng.standard_normal(outside.size)
        outside = outside[np.abs(draws[outside]) > 2]
    return draws.reshape(shape)


@registry.register("normal")
class RandomNormal(Initializer):
    """Independent draws from a normal distribution: ``w ~ N(mean, stddev**2)``.

    Parameters
    ----------
    mean : float, default 0.0
        Mean of the draws.
    stddev : float, default 0.05
        Standard deviation of the draws, at least 0.
    seed : int, optional
        At least 0. With a seed, every call draws the same numbers. Without one, every call draws new numbers, which
        can be repeated by ``utils.set_random_seed``.

    Raises
    ------
    TypeError
        If an argument is not a number, or `seed` not an integer.
    ValueError
        If an argument is NaN or infinite, or `stddev` or `seed` is negative.

    Examples
    --------
    >>> import cbackprop as cb
    >>> w = cb.initializers.RandomNormal(stddev=0.1, seed=0)((1000, 100))
    >>> round(float(w.std()), 2)
    0.1
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean = check_number("mean", mean)
        self.stddev = check_number("stddev", stddev, minimum=0)
        self.seed = check_seed(seed)

    def _values(self, shape: tuple[int, ...]) -> NDArray[Any]:
        return self.mean + self.stddev * generator(self.seed).standard_normal(shape)


@registry.register("uniform")
class RandomUniform(Initializer):
    """Independent draws from a uniform distribution: ``w ~ U[minval, maxval)``.

    Rounding to float32 can round a draw just below `maxval` up to `maxval`.

    Parameters
    ----------
    minval : float, default -0.05
        Lower bound of the draws.
    maxval : float, default 0.05
        Upper bound of the draws, at least `minval`.
    seed : int, optional
        At least 0. With a seed, every call draws the same numbers. Without one, every call draws new numbers, which
        can be repeated by ``utils.set_random_seed``.

    Raises
    ------
    TypeError
        If an argument is not a number, or `seed` not an integer.
    ValueError
        If an argument is NaN or infinite, if `minval` exceeds `maxval`, or if `seed` is negative.

    Examples
    --------
    >>> import cbackprop as cb
    >>> w = cb.initializers.RandomUniform(minval=0.0, maxval=2.0, seed=0)((1000, 100))
    >>> bool((0 <= w).all() and (w <= 2).all())
    True
    >>> round(float(w.mean()), 1)
    1.0
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        self.minval = check_number("minval", minval)
        self.maxval = check_number("maxval", maxval)
        check_number("maxval - minval", self.maxval - self.minval, minimum=0)
        self.seed = check_seed(seed)

    def _values(self, shape: tuple[int, ...]) -> NDArray[Any]:
        return generator(self.seed).uniform(self.minval, self.maxval, shape)


@registry.register()
class TruncatedNormal(Initializer):
    """Independent draws from a normal distribution cut off two standard deviations from its mean.

    ``w ~ N(mean, stddev**2)`` given ``|w - mean| <= 2 stddev``. Draws outside are repeated, so the result
    has a standard deviation of ``0.8796 stddev``.

    Parameters
    ----------
    mean : float, default 0.0
        Mean of the draws.
    stddev : float, default 0.05
        Standard deviation before the cut, at least 0.
    seed : int, optional
        At least 0. With a seed, every call draws the same numbers. Without one, every call draws new numbers, which
        can be repeated by ``utils.set_random_seed``.

    Raises
    ------
    TypeError
        If an argument is not a number, or `seed` not an integer.
    ValueError
        If an argument is NaN or infinite, or `stddev` or `seed` is negative.

    Examples
    --------
    >>> import cbackprop as cb
    >>> w = cb.initializers.TruncatedNormal(stddev=1.0, seed=0)((1000, 100))
    >>> bool((abs(w) <= 2).all())
    True
    >>> round(float(w.std()), 2)
    0.88
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean = check_number("mean", mean)
        self.stddev = check_number("stddev", stddev, minimum=0)
        self.seed = check_seed(seed)

    def _values(self, shape: tuple[int, ...]) -> NDArray[Any]:
        return self.mean + self.stddev * truncated_standard_normal(generator(self.seed), shape)
