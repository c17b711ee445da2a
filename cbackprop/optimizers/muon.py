"""Muon."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.optimizers.learning_rate import LearningRate
from cbackprop.optimizers.optimizer import Optimizer, registry
from cbackprop.validation import check_boolean, check_integer, check_items, check_number
from cbackprop.variable import Variable

__all__ = ["Muon"]


@registry.register()
class Muon(Optimizer):
    """Take steps along the orthogonalized momentum for matrices; use AdamW for all other variables.

    ``m = momentum m + g``, and ``u = g + momentum m`` (without Nesterov momentum ``u = m``) is divided by its norm.
    Then ``S = u u^T``, ``u = muon_a u + (muon_b S + muon_c S S) u`` is repeated `ns_steps` times, which brings all
    singular values close to 1. Finally ``w = w - learning_rate rms_rate sqrt(max(rows, columns)) u``.

    Variables that do not have two axes, those with "embedding" in their path, and those that `exclude_layers` names
    are updated as by `Adam`, with the learning rate ``adam_lr_ratio learning_rate``.

    Parameters
    ----------
    learning_rate : float, default 0.001
    adam_beta_1 : float, default 0.9
        `beta_1` of Adam, in [0, 1).
    adam_beta_2 : float, default 0.999
        `beta_2` of Adam, in [0, 1).
    adam_weight_decay : float, optional, default 0.004
        Weight decay of the variables that Adam updates.
    epsilon : float, default 1e-7
        `epsilon` of Adam, greater than 0.
    weight_decay : float, optional, default 0.004
        Weight decay of all other variables.
    clipnorm : float, optional
    clipvalue : float, optional
    global_clipnorm : float, optional
    use_ema : bool, default False
    ema_momentum : float, default 0.99
    ema_overwrite_frequency : int, optional
    loss_scale_factor : float, optional
    gradient_accumulation_steps : int, optional
    name : str, optional
        For these see `Optimizer`.
    exclude_layers : list of str, optional
        Regular expressions. A variable whose path contains a match is updated by Adam; use it for the last layer.
    exclude_embeddings : bool, default True
        Whether variables with "embedding" in their path are updated by Adam.
    muon_a : float, default 3.4445
    muon_b : float, default -4.7750
    muon_c : float, default 2.0315
    adam_lr_ratio : float, default 1
        Ratio of Adam's learning rate to `learning_rate`, at least 0.
    momentum : float, default 0.95
        In [0, 1].
    ns_steps : int, default 5
        The number of Newton-Schulz iterations, at least 0.
    nesterov : bool, default True
        Whether to use Nesterov momentum.
    rms_rate : float, optional, default 0.2
        A factor that makes steps about as large as those of Adam. ``None``: no factor.
    **kwargs
        See `Optimizer`.

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range.

    References
    ----------
    Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024. Liu et al., "Muon is scalable
    for LLM training", 2025. Arguments, defaults and formulas are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> w = np.ones((2, 3))
    >>> cb.optimizers.Muon(0.1, weight_decay=None).apply([np.eye(2, 3)], [w])
    >>> w.shape, bool((np.diag(w) < 1).all())
    ((2, 3), True)
    """

    whole_variables = True
    slot_names = ("momentum", "velocity")

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float | None = 0.004,
        epsilon: float = 1e-7,
        weight_decay: float | None = 0.004,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        exclude_layers: Sequence[str] | None = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.7750,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        self.adam_beta_1 = check_number("adam_beta_1", adam_beta_1, 0, 1, open_maximum=True)
        self.adam_beta_2 = check_number("adam_beta_2", adam_beta_2, 0, 1, open_maximum=True)
        self.adam_weight_decay = (
            None if adam_weight_decay is None else check_number("adam_weight_decay", adam_weight_decay, 0)
        )
        self.epsilon = check_number("epsilon", epsilon, 0, open_minimum=True)
        self.exclude_layers = _check_patterns(exclude_layers)
        self.exclude_embeddings = check_boolean("exclude_embeddings", exclude_embeddings)
        self.muon_a = check_number("muon_a", muon_a)
        self.muon_b = check_number("muon_b", muon_b)
        self.muon_c = check_number("muon_c", muon_c)
        self.adam_lr_ratio = check_number("adam_lr_ratio", adam_lr_ratio, 0)
        self.momentum = check_number("momentum", momentum, 0, 1)
        self.ns_steps = check_integer("ns_steps", ns_steps, 0, 1000)
        self.nesterov = check_boolean("nesterov", nesterov)
        self.rms_rate = None if rms_rate is None else check_number("rms_rate", rms_rate, 0)

    def uses_adam(self, ndim: int, path: str) -> bool:
        """Whether a variable with this number of axes and this path is updated by Adam."""
        if ndim != 2 or (self.exclude_embeddings and "embedding" in path.lower()):
            return True
        return any(re.search(pattern, path) for pattern in self.exclude_layers)

    def new_slot(self, name: str, values: NDArray[Any], path: str) -> NDArray[Any] | None:
        """Make a mean of squared gradients only for variables that Adam updates."""
        if name == "velocity" and not self.uses_adam(values.ndim, path):
            return None
        return np.zeros(values.shape, values.dtype)

    def decay_of(self, variable: Any) -> float:
        """The weight decay of a variable, which depends on whether Adam updates it."""
        if isinstance(variable, Variable) and not self.decays(variable):
            return 0.0
        by_adam = self.uses_adam(variable.ndim, variable.path if isinstance(variable, Variable) else "")
        return (self.adam_weight_decay if by_adam else self.weight_decay) or 0.0


def _check_patterns(patterns: Any) -> list[str]:
    given = check_items("exclude_layers", () if patterns is None else patterns, "a list of strings")
    if not all(isinstance(pattern, str) for pattern in given):
        raise TypeError(f"exclude_layers must be a list of strings, but got {patterns!r}.")
    for pattern in given:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(
                f"exclude_layers must hold regular expressions, but {pattern!r} is not one: {error}."
            ) from None
    return given
