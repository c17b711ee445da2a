"""What an optimizer works on."""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

__all__ = ["Segment"]


class Segment(NamedTuple):
    """A run of the flat vectors, or a variable: its parameters, their gradients, and what is remembered of them.

    Attributes
    ----------
    values, gradients : ndarray
        Of one shape; gradients may be destroyed.
    slots : list of ndarray or None
        The slots of the rule, and behind them those that every optimizer may have (`Optimizer.memory_names`). Shaped
        like the values, unless the rule works on whole variables.
    decay : float
        Of the weights; 0 for none.
    """

    values: NDArray[Any]
    gradients: NDArray[Any]
    slots: list[NDArray[Any] | None]
    decay: float
