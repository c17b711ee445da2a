"""Where training is: what must be known to go on from there as if nothing had happened."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from cbackprop import random
from cbackprop.validation import check_integer

__all__ = ["Place", "Resumption", "check_place", "formed_like"]


@dataclass
class Resumption:
    """A place to go on from: `always`, or only if a run begins with its epoch; and what callbacks knew there."""

    place: dict[str, Any]
    always: bool
    callbacks: dict[str, Any] | None = None


class Place:
    """The epoch and step that a run is at.

    Parameters
    ----------
    source : Source
        Where samples come from.
    epoch : int
        The epoch that comes next.
    callbacks : CallbackList
        Those of the run.
    """

    def __init__(self, source: Any, epoch: int, callbacks: Any) -> None:
        self.source, self.callbacks = source, callbacks
        state = source.state() or {}
        self.run = [type(source).__name__, source.samples, source.batch_size, source.steps, state.get("shuffle")]
        self.begin(epoch)

    def begin(self, epoch: int) -> None:
        """An epoch begins."""
        self.epoch = epoch
        self.step = 0
        self.sums: Any = None
        self._between = False
        self._note()

    def end(self) -> None:
        """An epoch has ended. Where the next one begins is noted when it does: callbacks may draw random numbers."""
        self.epoch += 1
        self.step = 0
        self._between = True

    def _note(self) -> None:
        self._source = self.source.state()
        self._generator = random.state()

    def state(self, sums: Any) -> dict[str, Any]:
        """Plain values from which `go_to` finds back; `sums` are the means of the epoch so far."""
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
            "sums": _listed(sums if self.sums is None else self.sums) if within else None,
        }

    def go_to(self, saved: dict[str, Any]) -> dict[str, Any] | None:
        """Take up an epoch that was left; what is to be restored after skipping its finished steps."""
        if saved["run"] != self.run:
            warnings.warn(
                f"The samples or batches are not those of the interrupted training: epoch {saved['epoch'] + 1} begins "
                "anew.",
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
    """Nested lists of numbers in the form of other nested lists and arrays.

    Raises
    ------
    ValueError
        If they do not have it.
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


def check_place(saved: Any) -> dict[str, Any]:
    """What `Place.state` made, read from a file that nobody vouches for.

    Raises
    ------
    TypeError, ValueError, KeyError
        If anything is wrong.
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
