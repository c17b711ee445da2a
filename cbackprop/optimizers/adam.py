"""Adam."""

from __future__ import annotations

from typing import Any

from cbackprop.optimizers.learning_rate import LearningRate
from cbackprop.optimizers.optimizer import Optimizer, registry
from cbackprop.validation import check_boolean, check_number

__all__ = ["Adam"]


@registry.register()
class Adam(Optimizer):
    """Adam: scale steps by running means of the gradient and of its square.

    At step t, ``m = beta_1 m + (1 - beta_1) g``, ``v = beta_2 v + (1 - beta_2) g^2``,
    ``rate = learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t)`` and ``w = w - rate m / (sqrt(v) + epsilon)``.
    Like Keras, this class adds epsilon to the square root of v. The paper adds it after the correction of v.

    Parameters
    ----------
    learning_rate : float, default 0.001
    beta_1 : float, default 0.9
        Decay of the running mean of gradients, in [0, 1).
    beta_2 : float, default 0.999
        Decay of the running mean of squared gradients, in [0, 1).
    epsilon : float, default 1e-7
        Keeps the divisor away from 0; greater than 0.
    amsgrad : bool, default False
        Divide by the square root of the largest v so far (AMSGrad).
    **kwargs
        See `Optimizer`.

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range.

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015. Reddi, Kale and Kumar, "On the
    convergence of Adam and beyond", ICLR 2018. Arguments, defaults and formulas are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> w = np.array([1.0])
    >>> cb.optimizers.Adam(learning_rate=0.1).apply([np.array([2.0])], [w])
    >>> w.round(6)
    array([0.9])
    """

    beta_1: float
    beta_2: float
    epsilon: float
    amsgrad: bool

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        # See the constructor of `Optimizer`: these, too, are checked, and need no `__setattr__`.
        self.__dict__.update(
            beta_1=check_number("beta_1", beta_1, 0, 1, open_maximum=True),
            beta_2=check_number("beta_2", beta_2, 0, 1, open_maximum=True),
            epsilon=check_number("epsilon", epsilon, 0, open_minimum=True),
            amsgrad=check_boolean("amsgrad", amsgrad),
            slot_names=("m", "v", "largest_v") if amsgrad else ("m", "v"),
        )
