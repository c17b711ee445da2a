"""What the generated data sets share: how many points there may be, and the noise on them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cbackprop.random import generator
from cbackprop.validation import check_integer, check_number

__all__ = ["MAX_SAMPLES", "add_noise"]

# About 1 GB while the points are computed: a mistyped number ends in a message, not in swapping.
MAX_SAMPLES = 10_000_000


def add_noise(points: NDArray[np.float64], noise: float, seed: int | None) -> NDArray[np.float32]:
    """`points` in float32, each coordinate moved by a normal deviate of standard deviation `noise`.

    Without noise no random number is drawn, so that the process-wide generator stays where it is.

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
