"""Segment: a part of the parameters that an optimizer updates in one call."""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

__all__ = ["Segment"]


class Segment(NamedTuple):
    """A section of the flat vectors, or a variable: parameters, gradients and optimizer state.

    Attributes
    ----------
    values, gradients : ndarray
        Arrays of the same shape. The update may overwrite gradients.
    slots : list of ndarray or None
        The slots of the rule, followed by those of `Optimizer.memory_names`, which any optimizer may have. They have
        the shape of the values, unless the rule works on whole variables.
    decay : float
        The weight decay; 0 for none.
    """

    values: NDArray[Any]
    gradients: NDArray[Any]
    slots: list[NDArray[Any] | None]
    decay: float
