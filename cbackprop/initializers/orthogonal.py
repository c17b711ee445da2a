"""Orthogonal: random matrices with orthonormal columns or rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.initializers.initializer import Initializer, check_seed, registry
from cbackprop.random import generator
from cbackprop.validation import check_number

__all__ = ["Orthogonal"]


@registry.register("OrthogonalInitializer")
class Orthogonal(Initializer):
    """A random matrix with orthonormal columns (``w.T @ w = gain**2 I``), or rows if it is wider than tall.

    ``w = gain Q sign(diag R)``, where ``A = Q R`` is the QR factorization of a matrix of standard normal draws.
    The signs make every orthogonal matrix equally likely. For a weight of higher rank, such as a convolution kernel,
    a matrix of shape ``(shape[0] * ... * shape[-2], shape[-1])`` is reshaped. A shape of rank 0 or 1 raises ValueError.

    Parameters
    ----------
    gain : float, default 1.0
        Length of each column (or row).
    seed : int, optional
        At least 0. With a seed, every call draws the same numbers. Without one, every call draws new numbers, which
        can be repeated by ``utils.set_random_seed``.

    Raises
    ------
    TypeError
        If `gain` is not a number, or `seed` not an integer.
    ValueError
        If `gain` is NaN or infinite, or `seed` is negative.

    References
    ----------
    A. M. Saxe, J. L. McClelland and S. Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep
    linear neural networks", ICLR 2014. https://arxiv.org/abs/1312.6120

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> w = cb.initializers.Orthogonal(gain=2.0, seed=0)((5, 3), dtype="float64")
    >>> bool(np.allclose(w.T @ w, 4 * np.eye(3)))
    True
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        self.gain = check_number("gain", gain)
        self.seed = check_seed(seed)

    def _values(self, shape: tuple[int, ...]) -> NDArray[Any]:
        if len(shape) < 2:
            raise ValueError(f"Orthogonal needs a shape of rank 2 or more, but got shape={shape} of rank {len(shape)}.")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        draws = generator(self.seed).standard_normal((max(rows, columns), min(rows, columns)))
        q, r = _qr(draws)
        q *= self.gain * np.copysign(1.0, np.diag(r))
        return (q if rows >= columns else q.T).reshape(shape)


def _qr(matrix: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Q and R of `matrix`, with one thread: OpenBLAS gives other bits for other numbers of threads."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # takes 20 ms: not at start

    with threadpool_limits(1, "blas"):
        return np.linalg.qr(matrix)
