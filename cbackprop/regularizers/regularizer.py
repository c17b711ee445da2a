"""Regularizer: the base of all regularizers, and their registry."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop import config
from cbackprop.number_types import FLOAT_TYPES
from cbackprop.registry import Registry
from cbackprop.spec import Adjustable
from cbackprop.validation import check_number

__all__ = ["Regularizer", "check_array", "check_penalty", "registry"]

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


def check_penalty(regularizer: Any, values: NDArray[Any], name: str) -> None:
    """Refuse a regularizer whose value for `values` is no number, or whose gradient is not shaped like them.

    Raises
    ------
    TypeError
        If the value is no number, or the gradient not an array of numbers.
    ValueError
        If one is not finite, or the gradient has another shape.
    """
    check_number(f"the value of the regularizer of {name!r}", np.asarray(regularizer(values)).item())
    gradient = np.asarray(regularizer.gradient(values))
    if gradient.dtype.kind not in "fiu" or gradient.shape != values.shape or not np.isfinite(gradient).all():
        raise ValueError(
            f"The gradient of the regularizer of {name!r} must be finite numbers of shape {values.shape}, "
            f"but got {gradient.dtype} of shape {gradient.shape}."
        )


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
