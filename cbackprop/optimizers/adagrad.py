"""Adagrad."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.optimizers.learning_rate import LearningRate
from cbackprop.optimizers.optimizer import Optimizer, registry
from cbackprop.validation import check_number

__all__ = ["Adagrad"]


@registry.register()
class Adagrad(Optimizer):
    """Divide each step by the root of the sum of all squared gradients so far.

    ``v = v + g^2`` and ``w = w - learning_rate g / sqrt(v + epsilon)``.

    Parameters
    ----------
    learning_rate : float, default 0.001
    initial_accumulator_value : float, default 0.1
        The initial value of v, at least 0.
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
    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization", JMLR
    12, 2011. Arguments, defaults and formulas are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> w = np.array([1.0])
    >>> cb.optimizers.Adagrad(0.1, initial_accumulator_value=0.0).apply([np.array([2.0])], [w])
    >>> w.round(6)
    array([0.9])
    """

    slot_names = ("accumulator",)

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.initial_accumulator_value = check_number("initial_accumulator_value", initial_accumulator_value, 0)
        self.epsilon = check_number("epsilon", epsilon, 0, open_minimum=True)

    @property
    def rests_without_gradient(self) -> bool:
        """Whether weights without a gradient are not changed: only without weight decay."""
        return not self.weight_decay

    def new_slot(self, name: str, values: NDArray[Any], path: str) -> NDArray[Any] | None:
        """Set the accumulator, v in the formula, to its initial value."""
        return np.full(values.shape, self.initial_accumulator_value, values.dtype)
