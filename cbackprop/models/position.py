"""The position of a training: what must be known to go on from there to the same bits."""

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
    """A position from which the next run of `fit` may go on."""

    position: dict[str, Any]
    always: bool  # else only if the run begins with the epoch of the position
    callbacks: dict[str, Any] | None = None  # the states that callbacks had there


class Position:
    """The epoch and the step that a run has come to.

    Parameters
    ----------
    source : Source
        The samples of the run.
    epoch : int
        The next epoch.
    callbacks : CallbackList
        The callbacks of the run.
    """

    def __init__(self, source: Any, epoch: int, callbacks: Any) -> None:
        self.source, self.callbacks = source, callbacks
        state = source.state() or {}
        self.run = [type(source).__name__, source.samples, source.batch_size, source.steps, state.get("shuffle")]
        self.begin(epoch)

    def begin(self, epoch: int) -> None:
        """Note that an epoch begins."""
        self.epoch = epoch
        self.step = 0
        self.sums: Any = None
        self._between = False
        self._note()

    def end(self) -> None:
        """Note that an epoch has ended.

        Random states are noted later, when the next epoch begins, because callbacks may draw random numbers until then.
        """
        self.epoch += 1
        self.step = 0
        self._between = True

    def settle(self) -> None:
        """Note random states now that the run is over, whose generator is not that of the process; drop the data."""
        self._note()
        self._between = False
        self.source = None

    def _note(self) -> None:
        self._source = self.source.state()
        self._generator = random.state()

    def state(self, sums: Any, over_ranks: Callable[[Any], Any]) -> dict[str, Any]:
        """The position as plain values, for `go_to`. `sums` are those of losses and metrics in this epoch.

        `over_ranks` adds them up over all ranks.
        """
        if self._between:
            self._note()
        within = self.step > 0
        return {
            "epoch": self.epoch,
            "step": self.step,
            "run": self.run,
            "source": self._source,
            "generator": self._generator,
            "generator_at_step": random.state() if within else None,
            "sums": _listed(over_ranks(sums if self.sums is None else self.sums)) if within else None,
        }

    def go_to(self, saved: dict[str, Any]) -> dict[str, Any] | None:
        """Go to a saved position, at the beginning of its epoch.

        Returns the position again if the epoch was interrupted: its finished steps must be skipped, and then its sums
        restored.
        """
        if saved["run"] != self.run:
            warnings.warn(
                f"The samples or batches are not those of the interrupted training: epoch {saved['epoch'] + 1} begins "
                "again.",
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
    """`value`, nested lists of numbers, as lists, tuples, arrays and floats like those of `model`.

    Raises
    ------
    ValueError
        If lists or arrays are not of the same lengths or shapes.
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
    raise ValueError("The interrupted training had other losses or metrics: compile the model as it was then.")


def check_position(saved: Any) -> dict[str, Any]:
    """Check what `Position.state` made: it comes from a file, which may hold anything.

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
