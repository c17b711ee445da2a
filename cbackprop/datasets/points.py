"""Limits and noise of the generated data sets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cbackprop.random import generator
from cbackprop.validation import check_integer, check_number

__all__ = ["MAX_SAMPLES", "add_noise"]

# This takes about 1 GB of memory. A mistyped larger number raises an error instead of filling the memory.
MAX_SAMPLES = 10_000_000


def add_noise(points: NDArray[np.float64], noise: float, seed: int | None) -> NDArray[np.float32]:
    """`points` in float32, with normal noise of standard deviation `noise` added to each coordinate.

    Without noise no random number is drawn, so that the state of the process-wide generator does not change.

    Raises
    ------
    TypeError, ValueError
        If `noise` is not a number from 0 to 1e6 or `seed` not an integer from 0 to 2**32 - 1.
    """
    noise = check_number("noise", noise, minimum=0, maximum=1e6)
    if seed is not None:
        seed = check_integer("seed", seed, minimum=0, maximum=2**32 - 1)
    if noise > 0:
        points = points + generator(seed).normal(scale=noise, size=points.shape)
    return points.astype(np.float32)
