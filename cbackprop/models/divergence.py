"""Warn once per run when training diverges. The warning names the step and a remedy."""

from __future__ import annotations

import math
import warnings
from typing import Any

from cbackprop.compiled.kernels.vectors import is_finite
from cbackprop.engine.engine import Engine

__all__ = ["DivergenceWatch"]


class DivergenceWatch:
    """Warns once per run of `fit` when the loss, or at the end a weight, becomes NaN or infinite.

    Parameters
    ----------
    optimizer : Optimizer
    engine : Engine
        The engine that trains.
    """

    def __init__(self, optimizer: Any, engine: Engine) -> None:
        self.optimizer, self.engine = optimizer, engine
        self.warned = False
        self.sound = engine.has_finite_weights()

    def look(self, logs: dict[str, Any], epoch: int, step: int | None = None, stacklevel: int = 2) -> None:
        """Look at the losses of an epoch, or of an epoch up to a step. Both are counted from 0."""
        if self.warned:
            return
        for name in ("loss", "val_loss"):
            value = logs.get(name, 0.0)
            if not math.isfinite(value):
                self._warn(f"{name} became {value}", epoch, step, stacklevel + 1)
                return

    def look_at_epochs(self, columns: dict[str, list[float]], first: int, stacklevel: int = 2) -> None:
        """Look at the losses of epochs, of which `first` is the first. `columns` has a list for each name in logs."""
        losses = columns.get("loss", [])
        if not all(map(math.isfinite, losses)):
            wrong = next(number for number, loss in enumerate(losses) if not math.isfinite(loss))
            self.look({"loss": losses[wrong]}, first + wrong, None, stacklevel + 1)

    def look_at_weights(self, epoch: int, stacklevel: int = 2) -> None:
        """Look at the weights after the last epoch, because no loss has been computed after the last update."""
        if self.warned or not self.sound:
            return
        if not (self.engine.has_finite_weights() and all(map(is_finite, self.engine.rows_of_last_batch()))):
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
            remedy = "The weights held NaN or infinity before: load or initialize them again."
        warnings.warn(f"Training diverged: {what} {when}. {remedy}", RuntimeWarning, stacklevel=stacklevel)
