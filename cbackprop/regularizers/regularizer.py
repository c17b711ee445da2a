"""Regularizer: the base of all regularizers, and their registry."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop import config
from cbackprop.number_types import FLOAT_TYPES
from cbackprop.registry import Registry
from cbackprop.spec import Adjustable

__all__ = ["Regularizer", "check_array", "registry"]

registry = Registry("regularizer", "regularizers")


class Regularizer(Adjustable):
    """Base of all regularizers: objects that are called with a weight and return a number to add to the loss.

    For a regularizer of your own, define a subclass with ``__call__(self, x)``, which returns a number, and
    ``gradient(self, x)``, which returns its derivative in the shape of ``x``. Training calls both once for each batch.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> class Towards(cb.regularizers.Regularizer):
    ...     def __init__(self, target=1.0):
    ...         self.target = target
    ...
    ...     def __call__(self, x):
    ...         return 0.5 * np.sum((x - self.target) ** 2)
    ...
    ...     def gradient(self, x):
    ...         return x - self.target
    >>> layer = cb.layers.Dense(2, kernel_regularizer=Towards(3.0))
    """

    # The compiled class in cbackprop.compiled.regularizers.penalties; None: training calls the NumPy code here.
    implementation: ClassVar[str | None] = None
    # Whether the penalty is divided by what the loss of the batch is divided by; see `DividedL2`.
    divided: ClassVar[bool] = False

    def __call__(self, x: ArrayLike) -> float:
        """The penalty for the weight `x`, which is added to the loss.

        Raises
        ------
        TypeError
            If `x` does not hold real numbers.
        ValueError
            If this regularizer does not support its shape.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__(self, x).")

    def gradient(self, x: ArrayLike) -> NDArray[Any]:
        """The derivative of ``self(x)`` in the shape of `x`. Raises the same errors as a call."""
        raise NotImplementedError(f"{type(self).__name__} must define gradient(self, x).")


def check_array(x: Any) -> NDArray[Any]:
    """`x` as an array of a float type.

    Raises
    ------
    TypeError
        If it does not hold real numbers.
    """
    array = np.asarray(x)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"x must hold real numbers, but got dtype {array.dtype}.")
    return array if array.dtype.name in FLOAT_TYPES else array.astype(config.floatx())
