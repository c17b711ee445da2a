"""Lion."""

from __future__ import annotations

from typing import Any, ClassVar

from cbackprop.optimizers.learning_rate import LearningRate
from cbackprop.optimizers.optimizer import Optimizer, registry
from cbackprop.validation import check_number

__all__ = ["Lion"]


@registry.register()
class Lion(Optimizer):
    """Take steps of constant size in the direction of the sign of the momentum.

    ``w = w - learning_rate sign(beta_1 m + (1 - beta_1) g)`` and then ``m = beta_2 m + (1 - beta_2) g``.

    Parameters
    ----------
    learning_rate : float, default 0.001
    beta_1 : float, default 0.9
        Fraction of the momentum in the direction of a step; greater than 0 and at most 1.
    beta_2 : float, default 0.99
        Decay of the momentum, in [0, 1).
    **kwargs
        See `Optimizer`.

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range.

    References
    ----------
    Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023. Arguments, defaults and formulas are
    those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> w = np.array([1.0, 1.0])
    >>> cb.optimizers.Lion(learning_rate=0.1).apply([np.array([2.0, -0.3])], [w])
    >>> w
    array([0.9, 1.1])
    """

    implementation: ClassVar[str | None] = "signs.Lion"
    slot_names = ("momentum",)

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = check_number("beta_1", beta_1, 0, 1, open_minimum=True)
        self.beta_2 = check_number("beta_2", beta_2, 0, 1, open_maximum=True)
