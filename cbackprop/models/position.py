"""The training position: what must be known to resume a training with identical results."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cbackprop import random
from cbackprop.validation import check_integer

__all__ = ["Position", "Resumption", "check_position", "formed_like"]


@dataclass
class Resumption:
    """A position at which the next run of `fit` may resume."""

    position: dict[str, Any]
    always: bool  # if False, only a run that begins with the position's epoch resumes
    callbacks: dict[str, Any] | None = None  # the states of callbacks at that position


class Position:
    """The epoch and the step that a run has reached.

    Parameters
    ----------
    source : Source
        The samples of the run.
    epoch : int
        The next epoch.
    callbacks : CallbackList
        The callbacks of the run.

    Attributes
    ----------
    generator : dict
        The random state when the epoch began.
    """

    def __init__(self, source: Any, epoch: int, callbacks: Any) -> None:
        self.source, self.callbacks = source, callbacks
        state = source.state() or {}
        self.run = [type(source).__name__, source.samples, source.batch_size, source.steps, state.get("shuffle")]
        self.epoch = epoch
        self.step = 0
        self.sums: Any = None
        self._between = True  # until an epoch begins, the random states are noted when they are asked for

    def begin(self, epoch: int) -> None:
        """Note that an epoch begins."""
        self.epoch = epoch
        self.step = 0
        self.sums = None
        self._between = False
        self._note()

    def end(self) -> None:
        """Note that an epoch has ended.

        Random states are noted later, when the next epoch begins, because callbacks may draw random numbers before.
        """
        self.epoch += 1
        self.step = 0
        self._between = True

    def settle(self) -> None:
        """Note the random states at the end of a run with its own generator, and drop the data."""
        self._note()
        self._between = False
        self.source = None

    def _note(self) -> None:
        self._source = self.source.state()
        self.generator = random.state()

    def state(self, sums: Any, over_ranks: Callable[[Any], Any]) -> dict[str, Any]:
        """The position as plain values, for `go_to`. `sums` are those of losses and metrics in this epoch.

        `over_ranks` sums them over all ranks.
        """
        if self._between:
            self._note()
        within = self.step > 0
        return {
            "epoch": self.epoch,
            "step": self.step,
            "run": self.run,
            "source": self._source,
            "generator": self.generator,
            "generator_at_step": random.state() if within else None,
            "sums": _listed(over_ranks(sums if self.sums is None else self.sums)) if within else None,
        }

    def go_to(self, saved: dict[str, Any]) -> dict[str, Any] | None:
        """Go to the beginning of the epoch of a saved position.

        If that epoch was interrupted, the position is returned: its finished steps must be skipped, and its sums
        restored.
        """
        if saved["run"] != self.run:
            warnings.warn(
                f"The samples or batches differ from those of the interrupted training, so epoch {saved['epoch'] + 1} "
                "starts over.",
                stacklevel=6,
            )
            self.begin(saved["epoch"])
            return None
        self.source.set_state(saved["source"])
        random.set_state(saved["generator"])
        self.begin(saved["epoch"])
        return saved if saved["step"] else None


def _listed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [_listed(item) for item in value] if isinstance(value, (list, tuple)) else value


def formed_like(model: Any, value: Any) -> Any:
    """Convert nested lists of numbers to the lists, tuples, arrays and floats of `model`.

    Raises
    ------
    ValueError
        If lists or arrays have different lengths or shapes.
    """
    if isinstance(model, np.ndarray):
        array = np.asarray(value)
        if array.shape == model.shape and array.dtype.kind in "fiu":
            return array.astype(model.dtype)
    elif isinstance(model, (list, tuple)):
        if isinstance(value, list) and len(value) == len(model):
            return type(model)(formed_like(a, b) for a, b in zip(model, value, strict=True))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise ValueError("The interrupted training had other losses or metrics. Compile the model with the same ones.")


def check_position(saved: Any) -> dict[str, Any]:
    """Check the result of `Position.state`. It comes from a file, which may contain anything.

    Raises
    ------
    TypeError, ValueError, KeyError
        If something is missing or wrong.
    """
    check_integer("epoch", saved["epoch"], 0, 2**62)
    check_integer("step", saved["step"], 0, 2**62)
    source = saved["source"] or {"position": 0, "drawn": None}
    check_integer("position", source["position"], 0, 2**62)
    for state in (source["drawn"], saved["generator"], saved["generator_at_step"]):
        if state is not None:
            random.check_state(state)
    if saved["generator"] is None or not isinstance(saved["run"], list) or "sums" not in saved:
        raise ValueError("the position of the training is incomplete")
    return saved
