"""The base of all constraints, and the registry that they enter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop import config
from cbackprop.registry import Registry
from cbackprop.spec import Spec
from cbackprop.validation import check_integer

__all__ = ["Constraint", "check_axis", "check_weight", "registry"]

registry = Registry("constraint", "constraints")


class Constraint(Spec):
    """Base of all constraints: an object that, called with a weight, returns the nearest allowed one.

    For a constraint of your own, derive from it and write ``__call__(self, w)``; a plain function will do, too.
    Training calls it once after each step.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> class Symmetric(cb.constraints.Constraint):
    ...     def __call__(self, w):
    ...         return (w + w.T) / 2
    >>> layer = cb.layers.Dense(3, kernel_constraint=Symmetric())
    """

    # The compiled class in cbackprop.compiled.constraints.projections; None: the NumPy code here is called in training.
    implementation: ClassVar[str | None] = None

    def __call__(self, w: ArrayLike) -> NDArray[Any]:
        """The weight `w` with the constraint met, as a new array; in this class it is `w` as it was.

        Raises
        ------
        TypeError
            If `w` does not hold real numbers.
        ValueError
            If it has no axis that this constraint works along.
        """
        return check_weight(w).copy()


def check_weight(w: Any) -> NDArray[Any]:
    """`w` as an array of a float type; ``TypeError`` if it does not hold real numbers."""
    array = np.asarray(w)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"w must hold real numbers, but got dtype {array.dtype}.")
    return array if array.dtype.name in config.FLOAT_TYPES else array.astype(config.floatx())


def check_axis(axis: Any) -> int | list[int]:
    """`axis` as an integer or a list of them; ``TypeError`` for anything else, ``ValueError`` for no axis."""
    if isinstance(axis, (list, tuple)):
        if not axis:
            raise ValueError("axis must name at least one axis, but got an empty list.")
        return [check_integer("every element of axis", item) for item in axis]
    return check_integer("axis", axis)


def axes_of(axis: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    """The axes of an array of `ndim` axes, counted from the first and sorted; ``ValueError`` if one does not exist."""
    axes = [axis] if isinstance(axis, int) else list(axis)
    for item in axes:
        if not -ndim <= item < ndim:
            raise ValueError(f"axis {item} does not exist in a weight of {ndim} axes.")
    return tuple(sorted({item % ndim for item in axes}))
