"""Constraint: the base of all constraints, and their registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop import config
from cbackprop.number_types import FLOAT_TYPES
from cbackprop.registry import Registry
from cbackprop.spec import Adjustable
from cbackprop.validation import check_integer

__all__ = ["Constraint", "check_axis", "check_weight", "registry"]

registry = Registry("constraint", "constraints")


class Constraint(Adjustable):
    """Base of all constraints: objects that are called with a weight and return an allowed one.

    For a constraint of your own, define a subclass with ``__call__(self, w)``, or use a plain function. Training calls
    it after each step.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> class Symmetric(cb.constraints.Constraint):
    ...     def __call__(self, w):
    ...         return (w + w.T) / 2
    >>> layer = cb.layers.Dense(3, kernel_constraint=Symmetric())
    """

    # The compiled class in cbackprop.compiled.constraints.projections; None: training calls the NumPy code here.
    implementation: ClassVar[str | None] = None

    def __call__(self, w: ArrayLike) -> NDArray[Any]:
        """Return a new array that meets the constraint. In this base class it equals `w`.

        Raises
        ------
        TypeError
            If `w` does not hold real numbers.
        ValueError
            If it does not have the axes of this constraint.
        """
        return check_weight(w).copy()


def check_weight(w: Any) -> NDArray[Any]:
    """`w` as an array of a float type. Raises ``TypeError`` if it does not hold real numbers."""
    array = np.asarray(w)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"w must hold real numbers, but got dtype {array.dtype}.")
    return array if array.dtype.name in FLOAT_TYPES else array.astype(config.floatx())


def check_axis(axis: Any) -> int | list[int]:
    """`axis` as an integer or a list of integers; ``TypeError`` for anything else, ``ValueError`` for no axis."""
    if isinstance(axis, (list, tuple)):
        if not axis:
            raise ValueError("axis must name at least one axis, but got an empty list.")
        return [check_integer("every element of axis", item) for item in axis]
    return check_integer("axis", axis)


def axes_of(axis: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    """The axes as sorted non-negative numbers. Raises ``ValueError`` if an array of `ndim` axes does not have them."""
    axes = [axis] if isinstance(axis, int) else list(axis)
    for item in axes:
        if not -ndim <= item < ndim:
            raise ValueError(f"axis {item} does not exist in a weight of {ndim} axes.")
    return tuple(sorted({item % ndim for item in axes}))
