"""The one source of randomness: initial weights, shuffling and dropout all draw from it."""

from __future__ import annotations

import random as python_random

import numpy as np
from numpy.typing import NDArray

from cbackprop.compiled.kernels import random as kernels
from cbackprop.validation import check_integer

__all__ = ["draw_seed", "generator", "permutation", "set_random_seed"]

_generator = np.random.default_rng()


def set_random_seed(seed: int) -> None:
    """Make everything that follows repeatable.

    Seeds this library, and as Keras does, Python's ``random`` and the global generator of NumPy.

    Parameters
    ----------
    seed : int
        At least 0 and below 2**32.

    Raises
    ------
    TypeError, ValueError
        If `seed` is not such a number.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.utils.set_random_seed(1)
    >>> a = cb.initializers.RandomNormal()((2, 2))
    >>> cb.utils.set_random_seed(1)
    >>> b = cb.initializers.RandomNormal()((2, 2))
    >>> bool((a == b).all())
    True
    """
    global _generator
    seed = check_integer("seed", seed, minimum=0, maximum=2**32 - 1)
    python_random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the global one is what is to be seeded
    _generator = np.random.default_rng(seed)


def generator(seed: int | None = None) -> np.random.Generator:
    """The process-wide generator, or a fresh one from `seed`."""
    return _generator if seed is None else np.random.default_rng(seed)


def permutation(n: int) -> NDArray[np.int64]:
    """The numbers 0 ... n - 1 in an order drawn from the process-wide generator."""
    key = _generator.bit_generator.random_raw()
    return kernels.permutation(n, key & 0xFFFFFFFF, key >> 32)


def draw_seed() -> int:
    """A fresh 32-bit seed from the process-wide generator."""
    return int(_generator.integers(2**32))
