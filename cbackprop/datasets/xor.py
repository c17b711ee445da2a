"""Exclusive or: the smallest problem that a network without a hidden layer cannot learn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cbackprop.datasets.points import MAX_SAMPLES, add_noise
from cbackprop.validation import check_integer

__all__ = ["load_data"]

TRUTH_TABLE = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]], dtype=np.float64)


def load_data(
    samples: int = 4, noise: float = 0.0, seed: int | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Make the truth table of the exclusive or, or noisy copies of its rows.

    Row `i` is row ``i % 4`` of the truth table::

        x = (0, 0)  (0, 1)  (1, 0)  (1, 1)    each coordinate + noise * N(0, 1)
        y =   0       1       1       0       always exact

    Parameters
    ----------
    samples : int, default 4
        Number of rows, 4 to 10,000,000.
    noise : float, default 0.0
        Standard deviation of the normal noise on each coordinate of `x`, 0 to 1e6. The four points have distance 1, so
        above about 0.25 the classes overlap noticeably.
    seed : int, optional
        Seed of the noise, 0 to 2**32 - 1. By default the noise is drawn from the process-wide generator, which
        ``cbackprop.utils.set_random_seed`` seeds.

    Returns
    -------
    x : ndarray of shape (samples, 2), float32
        The two inputs.
    y : ndarray of shape (samples, 1), float32
        Their exclusive or, 0 or 1, in the shape of the output of ``Dense(1)``.

    Raises
    ------
    TypeError
        If `samples` or `seed` is not an integer, or `noise` not a number.
    ValueError
        If an argument is out of range.

    References
    ----------
    M. Minsky and S. Papert, "Perceptrons: An Introduction to Computational Geometry", MIT Press, 1969.

    D. E. Rumelhart, G. E. Hinton and R. J. Williams, "Learning internal representations by error propagation",
    in "Parallel Distributed Processing", vol. 1, MIT Press, 1986, pp. 318-362.

    Examples
    --------
    >>> import cbackprop as cb
    >>> x, y = cb.datasets.xor.load_data()
    >>> x.tolist()
    [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    >>> y.ravel().tolist()
    [0.0, 1.0, 1.0, 0.0]
    >>> x, y = cb.datasets.xor.load_data(samples=200, noise=0.1, seed=1)
    >>> x.shape, y.shape
    ((200, 2), (200, 1))
    """
    samples = check_integer("samples", samples, minimum=4, maximum=MAX_SAMPLES)
    rows = TRUTH_TABLE[np.arange(samples) % 4]
    return add_noise(rows[:, :2], noise, seed), rows[:, 2:].astype(np.float32)
