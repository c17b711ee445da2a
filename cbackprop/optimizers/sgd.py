"""SGD: stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from cbackprop.optimizers.learning_rate import LearningRate
from cbackprop.optimizers.optimizer import Optimizer, registry
from cbackprop.validation import check_boolean, check_number

__all__ = ["SGD"]


@registry.register()
class SGD(Optimizer):
    """Gradient descent: ``w = w - learning_rate g``.

    With momentum, ``v = momentum v - learning_rate g`` and ``w = w + v``;
    with Nesterov momentum, ``w = w + momentum v - learning_rate g`` with the new v.

    Parameters
    ----------
    learning_rate : float, default 0.01
    momentum : float, default 0.0
        The factor of the previous step, in [0, 1].
    nesterov : bool, default False
        Whether to use Nesterov momentum.
    **kwargs
        See `Optimizer`.

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range.

    References
    ----------
    Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep
    learning", ICML 2013. Arguments, defaults and formulas are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> w = np.array([1.0])
    >>> cb.optimizers.SGD(learning_rate=0.1).apply([np.array([2.0])], [w])
    >>> w
    array([0.8])
    """

    def __init__(
        self, learning_rate: LearningRate = 0.01, momentum: float = 0.0, nesterov: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.momentum = check_number("momentum", momentum, 0, 1)
        self.nesterov = check_boolean("nesterov", nesterov)
        self.slot_names = ("momentum",) if self.momentum else ()

    @property
    def rests_without_gradient(self) -> bool:
        """Whether weights without a gradient are not changed: only without momentum and weight decay."""
        return not (self.momentum or self.weight_decay)
