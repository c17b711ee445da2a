"""Constraints on the sign of weights and on their norms along axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop.config import epsilon
from cbackprop.constraints.constraint import Constraint, axes_of, check_axis, check_weight, registry
from cbackprop.validation import check_number

__all__ = ["MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"]


class NormConstraint(Constraint):
    """``w * desired / (epsilon + norm)``, with the norm of `w` along `axis` and epsilon from `config.epsilon`.

    ``desired = rate * clip(norm, minimum, maximum) + (1 - rate) * norm``.
    """

    implementation = "NormConstraint"
    axis: int | list[int]
    # minimum, maximum, rate
    limits: tuple[float, float, float]

    def axes(self, ndim: int) -> tuple[int, ...]:
        """The axes along which norms are taken, in a weight of `ndim` axes, sorted."""
        return axes_of(self.axis, ndim)

    def joins_axes(self, ndim: int) -> bool:
        """Whether the axes are adjacent in a weight of `ndim` axes."""
        axes = self.axes(ndim)
        return axes == tuple(range(axes[0], axes[-1] + 1))

    def __call__(self, w: ArrayLike) -> NDArray[Any]:
        """The weight with its norms along `axis` limited.

        Raises
        ------
        TypeError
            If `w` does not hold real numbers.
        ValueError
            If `w` does not have these axes.
        """
        w = check_weight(w)
        minimum, maximum, rate = self.limits
        axes = self.axes(w.ndim)
        norms = np.sqrt(np.square(w, dtype=np.float64).sum(axis=axes, keepdims=True))
        desired = rate * np.clip(norms, minimum, maximum) + (1 - rate) * norms
        result: NDArray[Any] = w * (desired / (epsilon() + norms)).astype(w.dtype)
        return result


@registry.register()
class MaxNorm(NormConstraint):
    """Limit norms to at most `max_value`: ``w * clip(norm, 0, max_value) / (epsilon + norm)``.

    Parameters
    ----------
    max_value : float, default 2
        The largest norm, at least 0.
    axis : int or sequence of int, default 0
        The axes along which norms are taken. For a Dense kernel (inputs, units), 0 takes all weights of one unit.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when it is applied, if the weight has no such axis.

    References
    ----------
    Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a simple way to prevent neural networks
    from overfitting", JMLR 15, 2014, section 5.1. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> cb.constraints.MaxNorm(1.0)(np.array([[3.0, 0.3], [4.0, 0.4]])).round(4)
    array([[0.6, 0.3],
           [0.8, 0.4]])
    """

    def __init__(self, max_value: float = 2, axis: int | Sequence[int] = 0) -> None:
        self.max_value = check_number("max_value", max_value, minimum=0)
        self.axis = check_axis(axis)

    @property
    def limits(self) -> tuple[float, float, float]:  # type: ignore[override]
        """The smallest and the largest norm, and the rate: how much of the way weights move at once."""
        return 0.0, self.max_value, 1.0


@registry.register()
class MinMaxNorm(NormConstraint):
    """Keep norms between `min_value` and `max_value`, or move them there gradually.

    ``w * (rate * clip(norm, min_value, max_value) + (1 - rate) * norm) / (epsilon + norm)``.

    Parameters
    ----------
    min_value, max_value : float, default 0.0 and 1.0
        The smallest and the largest norm, at least 0.
    rate : float, default 1.0
        The fraction of the difference that is removed in each step, in [0, 1].
    axis : int or sequence of int, default 0
        The axes along which norms are taken.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range; when it is applied, if the weight has no such axis.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> cb.constraints.MinMaxNorm(1.0, 2.0)(np.array([[3.0, 0.3], [4.0, 0.4]])).round(4)
    array([[1.2, 0.6],
           [1.6, 0.8]])
    """

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: int | Sequence[int] = 0
    ) -> None:
        self.min_value = check_number("min_value", min_value, minimum=0)
        self.max_value = check_number("max_value", max_value, minimum=self.min_value)
        self.rate = check_number("rate", rate, minimum=0, maximum=1)
        self.axis = check_axis(axis)

    @property
    def limits(self) -> tuple[float, float, float]:  # type: ignore[override]
        """The smallest and the largest norm, and the rate: how much of the way weights move at once."""
        return self.min_value, self.max_value, self.rate


@registry.register()
class UnitNorm(NormConstraint):
    """Scale norms to 1: ``w / (epsilon + norm)``.

    Parameters
    ----------
    axis : int or sequence of int, default 0
        The axes along which norms are taken.

    Raises
    ------
    TypeError, ValueError
        If the axis is not an integer; when it is applied, if the weight has no such axis.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> cb.constraints.UnitNorm()(np.array([[3.0, 0.0], [4.0, 0.1]])).round(4)
    array([[0.6, 0. ],
           [0.8, 1. ]])
    """

    limits = (1.0, 1.0, 1.0)

    def __init__(self, axis: int | Sequence[int] = 0) -> None:
        self.axis = check_axis(axis)


@registry.register()
class NonNeg(Constraint):
    """Set negative weights to 0: ``max(w, 0)``.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.constraints.NonNeg()([-1.0, 2.0])
    array([0., 2.])
    """

    implementation = "NonNeg"

    def __call__(self, w: ArrayLike) -> NDArray[Any]:
        """Return max(w, 0). Raises ``TypeError`` if `w` does not hold real numbers."""
        result: NDArray[Any] = np.maximum(check_weight(w), 0)
        return result
