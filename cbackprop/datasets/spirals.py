"""Two interlocking spirals: a problem with two inputs and two classes that is hard for small networks."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cbackprop.datasets.points import MAX_SAMPLES, add_noise
from cbackprop.validation import check_integer, check_number

__all__ = ["load_data"]


def load_data(
    samples: int = 194, noise: float = 0.0, turns: float = 3.0, seed: int | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Make points on two spirals, with the spiral of each point as its class.

    The points come in pairs: the second is the first mirrored at the origin. `t` increases evenly from 0 at the first
    pair to 1 at the last::

        radius = 6.5 - 6 t
        angle  = 2 pi turns t
        x =  radius (sin angle, cos angle) + noise * N(0, 1)    y = 1
        x = -radius (sin angle, cos angle) + noise * N(0, 1)    y = 0

    The defaults give the 194 points of Lang and Witbrock, in their order.

    Parameters
    ----------
    samples : int, default 194
        Total number of points, 2 to 10,000,000. With an odd number, the last pair has only its first point.
    noise : float, default 0.0
        Standard deviation of the normal noise on each coordinate, 0 to 1e6. Adjacent arms of the two spirals are
        ``3 / turns`` apart.
    turns : float, default 3.0
        The number of turns of each spiral around the origin, above 0 and at most 1e6.
    seed : int, optional
        Seed of the noise, 0 to 2**32 - 1. By default the noise is drawn from the process-wide generator, which
        ``cbackprop.utils.set_random_seed`` seeds.

    Returns
    -------
    x : ndarray of shape (samples, 2), float32
        The points, from the outermost to the innermost.
    y : ndarray of shape (samples,), int64
        The spiral of each point: 1, 0, 1, 0, ...

    Raises
    ------
    TypeError
        If `samples` or `seed` is not an integer, or `noise` or `turns` not a number.
    ValueError
        If an argument is out of range.

    Notes
    -----
    ``fit(validation_split=...)`` takes the last rows, which are the innermost points. So shuffle the rows first, or
    give `validation_data`.

    References
    ----------
    K. J. Lang and M. J. Witbrock, "Learning to tell two spirals apart", Proceedings of the 1988 Connectionist Models
    Summer School, Morgan Kaufmann, 1988, pp. 52-59. The task is A. Wieland's; their points are
    ``radius = 6.5 (104 - i) / 104``, ``angle = i pi / 16`` for `i` from 0 to 96.

    Examples
    --------
    >>> import cbackprop as cb
    >>> x, y = cb.datasets.spirals.load_data()
    >>> x.shape, y.shape
    ((194, 2), (194,))
    >>> x[:2].tolist(), y[:2].tolist()
    ([[0.0, 6.5], [-0.0, -6.5]], [1, 0])
    """
    samples = check_integer("samples", samples, minimum=2, maximum=MAX_SAMPLES)
    turns = check_number("turns", turns, minimum=0, maximum=1e6, open_minimum=True)
    row = np.arange(samples, dtype=np.int64)
    y = 1 - row % 2
    pair = row // 2
    t = pair / max(pair[-1], 1)  # a single pair has t = 0
    radius = (6.5 - 6 * t) * (2 * y - 1)
    angle = 2 * math.pi * turns * t
    x = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
    return add_noise(x, noise, seed), y
