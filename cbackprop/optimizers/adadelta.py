"""Adadelta."""

from __future__ import annotations

from typing import Any, ClassVar

from cbackprop.optimizers.learning_rate import LearningRate
from cbackprop.optimizers.optimizer import Optimizer, registry
from cbackprop.validation import check_number

__all__ = ["Adadelta"]


@registry.register()
class Adadelta(Optimizer):
    """Scale each step by the ratio of recent steps to recent gradients.

    With running means v of g^2 and s of d^2: ``v = rho v + (1 - rho) g^2``, ``d = sqrt((s + epsilon) / (v +
    epsilon)) g``, ``s = rho s + (1 - rho) d^2`` and ``w = w - learning_rate d``.

    Parameters
    ----------
    learning_rate : float, default 0.001
        The paper has no learning rate, which corresponds to 1.
    rho : float, default 0.95
        Decay of the running means, in [0, 1).
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
    Zeiler, "ADADELTA: an adaptive learning rate method", 2012. Arguments, defaults and formulas are those of Keras
    3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> w = np.array([1.0])
    >>> cb.optimizers.Adadelta(1.0, rho=0.0, epsilon=1.0).apply([np.array([1.0])], [w])
    >>> w.round(6)
    array([0.292893])
    """

    implementation: ClassVar[str | None] = "adagrad.Adadelta"
    slot_names = ("accumulated_grad", "accumulated_delta_var")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.rho = check_number("rho", rho, 0, 1, open_maximum=True)
        self.epsilon = check_number("epsilon", epsilon, 0, open_minimum=True)
