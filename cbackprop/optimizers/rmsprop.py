"""RMSprop."""

from __future__ import annotations

from typing import Any

from cbackprop.optimizers.learning_rate import LearningRate
from cbackprop.optimizers.optimizer import Optimizer, registry
from cbackprop.validation import check_boolean, check_number

__all__ = ["RMSprop"]


@registry.register()
class RMSprop(Optimizer):
    """RMSprop: divide steps by the root of a running mean of the squared gradient.

    ``v = rho v + (1 - rho) g^2`` and ``w = w - learning_rate g / sqrt(v + epsilon)``.
    If `centered`, ``a = rho a + (1 - rho) g`` and the divisor is ``sqrt(v - a^2 + epsilon)``.
    With momentum, ``m = momentum m + learning_rate g / sqrt(...)`` and ``w = w - m``.

    Parameters
    ----------
    learning_rate : float, default 0.001
    rho : float, default 0.9
        Decay of the running means, in [0, 1).
    momentum : float, default 0.0
        The factor of the previous step, in [0, 1].
    epsilon : float, default 1e-7
        Keeps the divisor away from 0; greater than 0.
    centered : bool, default False
        Divide by the standard deviation of the gradient rather than by its root mean square.
    **kwargs
        See `Optimizer`.

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range.

    Notes
    -----
    If rounding makes ``v - a^2`` negative, it counts as 0, so that weights do not become NaN.

    References
    ----------
    Hinton, Srivastava and Swersky, "Neural networks for machine learning", lecture 6e, 2012. Graves, "Generating
    sequences with recurrent neural networks", 2013 (centered). Arguments, defaults and formulas are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> w = np.array([1.0])
    >>> cb.optimizers.RMSprop(learning_rate=0.1, rho=0.75).apply([np.array([2.0])], [w])
    >>> w.round(6)
    array([0.8])
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.rho = check_number("rho", rho, 0, 1, open_maximum=True)
        self.momentum = check_number("momentum", momentum, 0, 1)
        self.epsilon = check_number("epsilon", epsilon, 0, open_minimum=True)
        self.centered = check_boolean("centered", centered)
        names = ("velocity", "average_gradient") if self.centered else ("velocity",)
        self.slot_names = (*names, "momentum") if self.momentum else names
