"""ScheduleFreeAdamW: AdamW without a learning rate schedule."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cbackprop.optimizers.learning_rate import LearningRate
from cbackprop.optimizers.optimizer import Optimizer, registry
from cbackprop.validation import check_integer, check_number

__all__ = ["ScheduleFreeAdamW"]


@registry.register()
class ScheduleFreeAdamW(Optimizer):
    """AdamW that averages its steps, so that no decay of the learning rate is needed.

    At step t, ``v = beta_2 v + (1 - beta_2) g^2`` and ``z = z - learning_rate g / (sqrt(v / (1 - beta_2^t)) +
    epsilon)``; ``x = (1 - 1/t) x + z / t`` is the average of all z, and the weights are ``w = (1 - beta_1) z +
    beta_1 x``.

    Parameters
    ----------
    learning_rate : float, default 0.0025
    beta_1 : float, default 0.9
        Decay of the running mean of gradients, in [0, 1).
    beta_2 : float, default 0.999
        Decay of the running mean of squared gradients, in [0, 1).
    epsilon : float, default 1e-8
        Keeps the divisor away from 0; greater than 0.
    warmup_steps : int, default 0
        The number of steps in which the learning rate rises from 0.
    **kwargs
        See `Optimizer`.

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range.

    References
    ----------
    Defazio et al., "The road less scheduled", NeurIPS 2024. Arguments, defaults and formulas are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> w = np.array([1.0])
    >>> cb.optimizers.ScheduleFreeAdamW(learning_rate=0.1).apply([np.array([2.0])], [w])
    >>> w.round(6)
    array([0.9])
    """

    implementation: ClassVar[str | None] = "adam.ScheduleFreeAdamW"
    slot_names = ("momentum", "velocity")

    def __init__(
        self,
        learning_rate: LearningRate = 0.0025,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        warmup_steps: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = check_number("beta_1", beta_1, 0, 1, open_maximum=True)
        self.beta_2 = check_number("beta_2", beta_2, 0, 1, open_maximum=True)
        self.epsilon = check_number("epsilon", epsilon, 0, open_minimum=True)
        self.warmup_steps = check_integer("warmup_steps", warmup_steps, 0)

    def new_slot(self, name: str, values: NDArray[Any], path: str) -> NDArray[Any] | None:
        """Set the momentum slot, z in the formula, to the weights."""
        return np.array(values, order="C") if name == "momentum" else super().new_slot(name, values, path)
