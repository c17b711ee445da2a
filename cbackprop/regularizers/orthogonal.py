"""OrthogonalRegularizer: a penalty on rows or columns of a matrix that are not orthogonal."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop.regularizers.regularizer import Regularizer, check_array, registry
from cbackprop.validation import ArgumentTypeError, check_number

__all__ = ["OrthogonalRegularizer"]

# As in Keras, norms smaller than this are replaced by it.
LEAST_NORM = 1e-7


@registry.register()
class OrthogonalRegularizer(Regularizer):
    """Mean of ``|cos|`` over all pairs of rows (or columns) of a matrix, times `factor`.

    With ``u_i`` the rows divided by their norms: ``factor * sum over i < j of |u_i . u_j| / (n (n - 1) / 2)``.

    Parameters
    ----------
    factor : float, default 0.01
        The factor of the penalty, at least 0.
    mode : {"rows", "columns"}, default "rows"
        Whether rows or columns should be orthogonal.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when it is applied, if the weight is not a matrix.

    References
    ----------
    Brock, Lim, Ritchie and Weston, "Neural photo editing with introspective adversarial networks", ICLR 2017.
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> regularizer = cb.regularizers.OrthogonalRegularizer(factor=1.0)
    >>> regularizer(np.eye(3))
    0.0
    >>> round(regularizer([[1.0, 0.0], [1.0, 1.0]]), 4)
    0.7071
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        self.factor = check_number("factor", factor, minimum=0)
        if not isinstance(mode, str) or mode not in ("rows", "columns"):
            error = ValueError if isinstance(mode, str) else ArgumentTypeError
            # The exact message of Keras, which its tests compare.
            known = '{"rows", "columns"}'
            raise error(f"Invalid value for argument `mode`. Expected one of {known}. Received: mode={mode}")
        self.mode = mode

    def __call__(self, x: ArrayLike) -> float:
        """The penalty. Raises ``ValueError`` if `x` is not a matrix of at least 2 rows (or columns)."""
        units, _ = self._units(x)
        cosines = np.abs(units @ units.T)
        np.fill_diagonal(cosines, 0)
        return self._scale(len(units)) * float(cosines.sum())

    def gradient(self, x: ArrayLike) -> NDArray[Any]:
        """The derivative, by the chain rule through u = x / norm. Raises ``ValueError`` as in a call."""
        units, norms = self._units(x)
        signs = np.sign(units @ units.T)
        np.fill_diagonal(signs, 0)
        delta = 2 * self._scale(len(units)) * (signs @ units)
        along = (delta * units).sum(axis=1, keepdims=True) * (norms > LEAST_NORM)
        result = (delta - along * units) / np.maximum(norms, LEAST_NORM)
        return np.asarray(result if self.mode == "rows" else result.T, check_array(x).dtype)

    def _units(self, x: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rows (or columns) divided by their norms, and the norms."""
        matrix = check_array(x).astype(np.float64)
        if matrix.ndim != 2:
            raise ValueError(f"Inputs to OrthogonalRegularizer must have rank 2. Received: inputs.shape={matrix.shape}")
        if self.mode == "columns":
            matrix = matrix.T
        if len(matrix) < 2:
            raise ValueError(f"OrthogonalRegularizer needs a matrix of 2 {self.mode} or more, but got {np.shape(x)}.")
        norms = np.sqrt(np.square(matrix).sum(axis=1, keepdims=True))
        return matrix / np.maximum(norms, LEAST_NORM), norms

    def _scale(self, n: int) -> float:
        return self.factor / (n * (n - 1))
