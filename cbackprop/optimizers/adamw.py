"""AdamW."""

from __future__ import annotations

from typing import Any, ClassVar

from cbackprop.optimizers.adam import Adam
from cbackprop.optimizers.learning_rate import LearningRate
from cbackprop.optimizers.optimizer import registry
from cbackprop.validation import ArgumentTypeError

__all__ = ["AdamW"]


@registry.register()
class AdamW(Adam):
    """Adam with weight decay: ``w = w - weight_decay learning_rate w``, followed by the step of `Adam`.

    Parameters
    ----------
    learning_rate : float, default 0.001
    weight_decay : float, default 0.004
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
    Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019. Arguments, defaults and formulas are
    those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> w = np.array([1.0])
    >>> cb.optimizers.AdamW(learning_rate=0.1, weight_decay=0.5).apply([np.array([2.0])], [w])
    >>> w.round(6)
    array([0.85])
    """

    # Every optimizer supports weight decay; this one only has another default.
    implementation: ClassVar[str | None] = "adam.Adam"

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **kwargs: Any,
    ) -> None:
        if weight_decay is None:
            raise ArgumentTypeError("weight_decay must be a number, but got None: without decay, use Adam.")
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **kwargs)
