"""What `fit`, `evaluate` and `predict` get samples from, whatever the user passed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from cbackprop.engine import Data
from cbackprop.models.data import Samples

__all__ = ["CALLER", "Check", "Piece", "Source", "ran_out", "whole_executions"]

# Frames from where samples are taken up to the user's line, by what they are used for.
CALLER = {"training": 7, "validation": 8, "evaluation": 5, "prediction": 5}
# From (x, y, sample_weight, class_weight) to checked samples; TypeError or ValueError if anything is wrong.
Check = Callable[[Any, Any, Any, Any], Samples]


class Piece(NamedTuple):
    """Samples that are in memory at the same time: rows[begin:end] of checked data, to be taken in batches.

    Without `rows` they are begin:end of the data.
    """

    data: Data
    rows: NDArray[np.int64] | None
    begin: int
    end: int
    batch_size: int

    @property
    def size(self) -> int:
        """Number of samples."""
        return self.end - self.begin

    @property
    def steps(self) -> int:
        """Number of batches."""
        return -(-self.size // self.batch_size)

    def samples(self) -> Data:
        """The samples alone, for a source that does not shuffle."""
        return Samples(self.data, len(self.data)).part(self.begin, self.end).data


class Source:
    """Where samples come from. Used as a context manager: on leaving it, threads that it started end.

    Attributes
    ----------
    example : object
        Inputs as the user gave them, by whose shape a model without one can be built.
    batch_size : int or None
        Samples in a batch, where all have as many.
    steps : int or None
        Batches in an epoch, where that is known before.
    samples : int or None
        Samples in an epoch, where that is known before.
    purpose : {"training", "validation", "evaluation", "prediction"}
        What they are used for, for messages.
    at_once : int
        Batches that are always taken together, as far as there are any: `steps_per_execution`.
    """

    example: Any = None
    batch_size: Any = None
    steps: int | None = None
    samples: int | None = None
    purpose: str = "training"
    at_once: int = 1
    # Outputs of which no target has been there so far; `None` before any samples.
    _lacking: frozenset[str] | None = None
    _told_of_lacking = False

    def prepare(self, check: Check) -> None:
        """Check whatever can be checked before training, once the model has a shape."""
        raise NotImplementedError

    def split(self, fraction: float) -> Source:
        """Keep the first samples, and return a source of the last `fraction` of them.

        Raises
        ------
        ValueError
            If one part would be empty, or the source cannot be divided.
        """
        raise ValueError("validation_split needs arrays: there is no telling which batches of a dataset are the last.")

    def join(self) -> None:
        """Make one batch of all samples, for an optimizer that needs them.

        Raises
        ------
        ValueError
            If the source has batches of its own, or smaller ones were asked for.
        """
        raise ValueError("The optimizer needs all samples in one batch: give fit arrays that are in memory.")

    def limit(self, steps: int | None, batch_size: int | None) -> None:
        """Evaluate in batches of so many samples, and no more than so many of them."""

    def epoch(self) -> Iterator[Piece]:
        """The pieces of the next epoch of training."""
        raise NotImplementedError

    def sweep(self) -> Iterator[Piece]:
        """The pieces of an evaluation or a prediction, in order."""
        return self.epoch()

    def state(self) -> dict[str, Any] | None:
        """Between epochs: what `set_state` takes, as plain values; ``None`` if the next epoch always begins anew."""
        return None

    def set_state(self, state: dict[str, Any] | None) -> None:
        """Let the next epoch begin where it did when `state` was taken; this moves the random state."""

    @property
    def exhausted(self) -> bool:
        """Whether there is nothing left for another epoch."""
        return False

    def close(self) -> None:
        """End what was started."""

    def _warn_of_fewer(self, steps: int, asked: int | None) -> None:
        """Tell that an epoch has fewer steps than were asked for: that whole executions are missing."""
        if asked is not None and whole_executions(steps, self.at_once) < asked:
            ran_out(CALLER[self.purpose] + 2, self.purpose)

    def _look_for_targets(self, samples: Samples) -> None:
        """Note which outputs have no target in these samples either."""
        if samples.may_miss and not self._told_of_lacking:
            lacking = samples.without_targets()
            self._lacking = lacking if self._lacking is None else self._lacking & lacking

    def _tell_of_lacking(self, stacklevel: int) -> None:
        """Once all samples have been seen, tell of outputs without any target, at the line so many frames up."""
        if self._lacking and not self._told_of_lacking:
            names = ", ".join(map(repr, sorted(self._lacking)))
            warnings.warn(
                f"All targets of output {names} are missing in the data for {self.purpose}: what missing='ignore' "
                "leaves out is all that there is. The loss is 0 there, and says nothing.",
                stacklevel=stacklevel + 1,
            )
        self._told_of_lacking = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def whole_executions(steps: int, at_once: int) -> int:
    """So many steps, rounded up to executions of `at_once`, as Keras takes them."""
    return -(-steps // at_once) * at_once


def ran_out(stacklevel: int, purpose: str = "training") -> None:
    """Warn as Keras does, at the line that called `fit`: so many frames up."""
    needed = {
        "training": "your dataset or generator can generate at least `steps_per_epoch * epochs` batches",
        "validation": "validation_data can generate at least `validation_steps` batches for each validation: an "
        "iterator has each only once",
    }
    enough = needed.get(purpose, "your dataset or generator can generate at least `steps` batches")
    warnings.warn(
        f"Your input ran out of data; interrupting {purpose}. Make sure that {enough}.", stacklevel=stacklevel
    )
