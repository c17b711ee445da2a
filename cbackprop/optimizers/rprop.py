"""Rprop: resilient propagation."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cbackprop.optimizers.learning_rate import LearningRate
from cbackprop.optimizers.optimizer import Optimizer, registry
from cbackprop.validation import check_number

__all__ = ["Rprop"]


@registry.register()
class Rprop(Optimizer):
    """Resilient propagation (iRprop-): adapt a step size for each weight, using only the signs of gradients.

    If a gradient has the same sign as the last one, the weight's step size grows, ``d = min(eta_plus d, max_step)``. If
    it has the opposite sign, ``d = max(eta_minus d, min_step)`` and the gradient counts as 0. Then
    ``w = w - sign(g) d``.

    Parameters
    ----------
    learning_rate : float, default 0.01
        The initial step size. Changing it later has no effect.
    eta_minus : float, default 0.5
        The factor by which step sizes shrink, in (0, 1).
    eta_plus : float, default 1.2
        The factor by which step sizes grow, greater than 1.
    min_step : float, default 1e-6
        The smallest step size, greater than 0.
    max_step : float, default 50.0
        The largest step size, at least `min_step`.
    **kwargs
        See `Optimizer`.

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range.

    Notes
    -----
    The signs of gradients of small batches are mostly random, so train with all samples in one batch.

    References
    ----------
    Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning: the RPROP algorithm", 1993;
    Igel and Huesken, "Improving the Rprop learning algorithm", 2000. Keras does not have this optimizer; results are
    those of ``torch.optim.Rprop``.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> w = np.array([1.0])
    >>> optimizer = cb.optimizers.Rprop(0.1)
    >>> optimizer.apply([np.array([2.0])], [w])
    >>> optimizer.apply([np.array([0.01])], [w])
    >>> w.round(6)
    array([0.78])
    """

    implementation: ClassVar[str | None] = "signs.Rprop"
    slot_names = ("earlier_gradient", "step_size")

    def __init__(
        self,
        learning_rate: LearningRate = 0.01,
        eta_minus: float = 0.5,
        eta_plus: float = 1.2,
        min_step: float = 1e-6,
        max_step: float = 50.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.eta_minus = check_number("eta_minus", eta_minus, 0, 1, open_minimum=True, open_maximum=True)
        self.eta_plus = check_number("eta_plus", eta_plus, 1, open_minimum=True)
        self.min_step = check_number("min_step", min_step, 0, open_minimum=True)
        self.max_step = check_number("max_step", max_step, self.min_step)

    def new_slot(self, name: str, values: NDArray[Any], path: str) -> NDArray[Any] | None:
        """Set the initial step sizes to the learning rate."""
        start = self.learning_rate if name == "step_size" else 0.0
        return np.full(values.shape, start, values.dtype)
