"""Telling that training has diverged: once in a run, when, and what helps."""

from __future__ import annotations

import math
import warnings
from typing import Any

from cbackprop.compiled.kernels.vectors import is_finite
from cbackprop.engine.engine import Engine

__all__ = ["DivergenceWatch"]


class DivergenceWatch:
    """Warns when the loss of a run of `fit` becomes NaN or infinite, and never again in that run.

    Parameters
    ----------
    optimizer : Optimizer
    engine : Engine
        What trains.
    """

    def __init__(self, optimizer: Any, engine: Engine) -> None:
        self.optimizer, self.engine = optimizer, engine
        self.warned = False
        self.sound = all(map(is_finite, engine.dense_weights()))

    def look(self, logs: dict[str, Any], epoch: int, step: int | None = None, stacklevel: int = 2) -> None:
        """Look at the losses of an epoch, or of one that has come as far as a step; both are counted from 0."""
        if self.warned:
            return
        for name in ("loss", "val_loss"):
            value = logs.get(name, 0.0)
            if not math.isfinite(value):
                self._warn(f"{name} became {value}", epoch, step, stacklevel + 1)
                return

    def look_at_weights(self, epoch: int, stacklevel: int = 2) -> None:
        """When the last epoch has ended: its last step may have spoilt weights that no loss was computed from."""
        if self.warned or not self.sound:
            return
        if not all(map(is_finite, [*self.engine.dense_weights(), *self.engine.rows_of_last_batch()])):
            self._warn("weights became NaN or infinite", epoch, None, stacklevel + 1)

    def _warn(self, what: str, epoch: int, step: int | None, stacklevel: int) -> None:
        self.warned = True
        when = f"in epoch {epoch + 1}" + ("" if step is None else f", step {step + 1}")
        if self.sound:
            remedy = (
                f"The learning rate ({float(self.optimizer.learning_rate):g}) is probably too large: make it smaller, "
                "give the optimizer clipnorm=1.0, or bring inputs and targets to about the range of -1 to 1."
            )
        else:
            remedy = "The weights held NaN or infinity before: load or initialize them anew."
        warnings.warn(f"Training diverged: {what} {when}. {remedy}", RuntimeWarning, stacklevel=stacklevel)
