"""Follow the regularized leader."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cbackprop.optimizers.learning_rate import LearningRate
from cbackprop.optimizers.optimizer import Optimizer, registry
from cbackprop.validation import check_number

__all__ = ["Ftrl"]


@registry.register()
class Ftrl(Optimizer):
    """Follow the regularized leader: compute weights from sums of gradients, so that many of them are exactly 0.

    ``n' = n + g^2``, ``s = (n'^-p - n^-p) / learning_rate``, ``z = z + g + 2 l2_shrinkage w - s w``, and
    ``w = (clip(z, -l1, l1) - z) / (n'^-p / learning_rate + 2 l2 + beta / learning_rate)``, where p is the power of the
    learning rate. A weight is 0 while ``|z| <= l1``, whatever its initial value.

    Parameters
    ----------
    learning_rate : float, default 0.001
    learning_rate_power : float, default -0.5
        At most 0. With 0 the learning rate is constant.
    initial_accumulator_value : float, default 0.1
        The initial value of n, at least 0.
    l1_regularization_strength : float, default 0.0
        l1 in the formula, at least 0.
    l2_regularization_strength : float, default 0.0
        l2 in the formula, at least 0.
    l2_shrinkage_regularization_strength : float, default 0.0
        l2_shrinkage in the formula, at least 0.
    beta : float, default 0.0
        At least 0.
    **kwargs
        See `Optimizer`.

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range.

    Notes
    -----
    With a learning rate of 0 nothing changes. A weight of 0 / 0 becomes 0.

    References
    ----------
    McMahan et al., "Ad click prediction: a view from the trenches", KDD 2013. Arguments, defaults and formulas are
    those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> w = np.array([1.0])
    >>> cb.optimizers.Ftrl(0.1, initial_accumulator_value=0.0).apply([np.array([2.0])], [w])
    >>> w.round(6)
    array([0.9])
    """

    implementation: ClassVar[str | None] = "adagrad.Ftrl"
    slot_names = ("accumulator", "linear")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.learning_rate_power = check_number("learning_rate_power", learning_rate_power, None, 0)
        self.initial_accumulator_value = check_number("initial_accumulator_value", initial_accumulator_value, 0)
        self.l1_regularization_strength = check_number("l1_regularization_strength", l1_regularization_strength, 0)
        self.l2_regularization_strength = check_number("l2_regularization_strength", l2_regularization_strength, 0)
        self.l2_shrinkage_regularization_strength = check_number(
            "l2_shrinkage_regularization_strength", l2_shrinkage_regularization_strength, 0
        )
        self.beta = check_number("beta", beta, 0)

    def new_slot(self, name: str, values: NDArray[Any], path: str) -> NDArray[Any] | None:
        """Set the accumulator, n in the formula, to its initial value."""
        start = self.initial_accumulator_value if name == "accumulator" else 0.0
        return np.full(values.shape, start, values.dtype)
