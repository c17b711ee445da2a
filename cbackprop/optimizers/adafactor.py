"""Adafactor."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.optimizers.learning_rate import LearningRate
from cbackprop.optimizers.optimizer import Optimizer, registry
from cbackprop.validation import check_boolean, check_number

__all__ = ["Adafactor"]


@registry.register()
class Adafactor(Optimizer):
    """Adam without momentum that stores only the means of rows and columns of each matrix, to save memory.

    At step t, with ``b = 1 - t^beta_2_decay``, the means r of rows and c of columns of ``g^2 + epsilon_1`` are
    tracked as ``r = b r + (1 - b) mean``, and ``v = r c / mean(r)`` approximates the squared gradient (for a vector, v
    itself is tracked). ``u = g / sqrt(v)`` is scaled down to a root mean square of `clip_threshold`, and ``w = w -
    max(epsilon_2, rms(w)) min(learning_rate, 1 / sqrt(t)) u``.

    Parameters
    ----------
    learning_rate : float, default 0.001
    beta_2_decay : float, default -0.8
        The exponent in b, at most 0.
    epsilon_1 : float, default 1e-30
        Added to squared gradients; greater than 0.
    epsilon_2 : float, default 1e-3
        A lower limit of the root mean square of the weights in the formula; at least 0.
    clip_threshold : float, default 1.0
        The largest root mean square of u; greater than 0.
    relative_step : bool, default True
        Has no effect, as in Keras: the learning rate is limited to ``1 / sqrt(t)`` in any case.
    **kwargs
        See `Optimizer`.

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range.

    Notes
    -----
    Variables with more than two axes are taken as stacks of matrices along their last two axes.

    References
    ----------
    Shazeer and Stern, "Adafactor: adaptive learning rates with sublinear memory cost", ICML 2018. Arguments,
    defaults and formulas are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> w = np.array([1.0, 1.0])
    >>> cb.optimizers.Adafactor(0.1).apply([np.array([2.0, -0.5])], [w])
    >>> w.round(6)
    array([0.9, 1.1])
    """

    whole_variables = True
    slot_names = ("rows", "columns", "velocity")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.beta_2_decay = check_number("beta_2_decay", beta_2_decay, None, 0)
        self.epsilon_1 = check_number("epsilon_1", epsilon_1, 0, open_minimum=True)
        self.epsilon_2 = check_number("epsilon_2", epsilon_2, 0)
        self.clip_threshold = check_number("clip_threshold", clip_threshold, 0, open_minimum=True)
        self.relative_step = check_boolean("relative_step", relative_step)

    def new_slot(self, name: str, values: NDArray[Any], path: str) -> NDArray[Any] | None:
        """Means of rows and columns; for a vector a mean for each element."""
        shape = values.shape
        if (values.ndim < 2) != (name == "velocity"):
            return None
        if name != "velocity":
            shape = shape[:-1] if name == "rows" else (*shape[:-2], shape[-1])
        return np.zeros(shape, values.dtype)
