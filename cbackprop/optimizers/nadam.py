"""Nadam."""

from __future__ import annotations

from typing import Any, ClassVar

from cbackprop.optimizers.learning_rate import LearningRate
from cbackprop.optimizers.optimizer import Optimizer, registry
from cbackprop.validation import check_number

__all__ = ["Nadam"]


@registry.register()
class Nadam(Optimizer):
    """Adam with Nesterov momentum.

    With ``u_t = beta_1 (1 - 0.96^t / 2)``, at step t ``m = beta_1 m + (1 - beta_1) g``,
    ``v = beta_2 v + (1 - beta_2) g^2``, ``d = u_(t+1) m / (1 - u_1 ... u_(t+1)) + (1 - u_t) g / (1 - u_1 ... u_t)`` and
    ``w = w - learning_rate d / (sqrt(v / (1 - beta_2^t)) + epsilon)``.

    Parameters
    ----------
    learning_rate : float, default 0.001
    beta_1 : float, default 0.9
        Decay of the running mean of gradients, in [0, 1).
    beta_2 : float, default 0.999
        Decay of the running mean of squared gradients, in [0, 1).
    epsilon : float, default 1e-7
        Keeps the divisor away from 0; greater than 0.
    **kwargs
        See `Optimizer`.

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range.

    References
    ----------
    Dozat, "Incorporating Nesterov momentum into Adam", 2015. Arguments, defaults and formulas are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> w = np.array([1.0])
    >>> cb.optimizers.Nadam(learning_rate=0.1).apply([np.array([2.0])], [w])
    >>> w.round(4)
    array([0.8937])
    """

    implementation: ClassVar[str | None] = "adam.Nadam"
    slot_names = ("momentum", "velocity")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = check_number("beta_1", beta_1, 0, 1, open_maximum=True)
        self.beta_2 = check_number("beta_2", beta_2, 0, 1, open_maximum=True)
        self.epsilon = check_number("epsilon", epsilon, 0, open_minimum=True)
