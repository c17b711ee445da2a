"""Lamb."""

from __future__ import annotations

from typing import Any, ClassVar

from cbackprop.optimizers.learning_rate import LearningRate
from cbackprop.optimizers.optimizer import Optimizer, registry
from cbackprop.validation import check_number

__all__ = ["Lamb"]


@registry.register()
class Lamb(Optimizer):
    """Take steps in the direction of Adam with a length proportional to the norm of the weights.

    For each variable, ``u = m' / (sqrt(v') + epsilon)`` with the corrected means m' and v' of Adam, and
    ``w = w - learning_rate (|w| / |u|) u`` with Euclidean norms. The ratio is 1 if either norm is 0.

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
    You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", ICLR 2020. Arguments,
    defaults and formulas are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> w = np.array([3.0, 4.0])
    >>> cb.optimizers.Lamb(learning_rate=0.1).apply([np.array([1.0, 0.0])], [w])
    >>> w.round(6)
    array([2.5, 4. ])
    """

    implementation: ClassVar[str | None] = "adam.Lamb"
    whole_variables = True
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
