"""The base class of all sources of samples."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from cbackprop.engine import Data
from cbackprop.models.data import Samples

__all__ = ["CALLER", "Check", "Piece", "Source", "ran_out", "whole_executions"]

# Frames from where samples are taken up to the user's code, by purpose.
CALLER = {"training": 7, "validation": 8, "evaluation": 5, "prediction": 5}
# Makes checked samples from (x, y, sample_weight, class_weight); raises TypeError or ValueError.
Check = Callable[[Any, Any, Any, Any], Samples]


class Piece(NamedTuple):
    """Samples that are in memory at the same time: rows[begin:end] of checked data, or begin:end without `rows`."""

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
        """The samples, for a source that does not shuffle."""
        return Samples(self.data, len(self.data)).part(self.begin, self.end).data


class Source:
    """Where samples come from. As a context manager, it ends its threads.

    Attributes
    ----------
    example : object
        The inputs as given by the user. A model without a shape is built for their shape.
    batch_size : int or None
        Samples in a batch, if all batches have the same number.
    steps : int or None
        Batches in an epoch, if known in advance.
    samples : int or None
        Samples in an epoch, if known in advance.
    purpose : {"training", "validation", "evaluation", "prediction"}
        What the samples are for; used in messages.
    at_once : int
        `steps_per_execution`: the number of batches that are taken together, except at the end.
    """

    example: Any = None
    batch_size: Any = None
    steps: int | None = None
    samples: int | None = None
    purpose: str = "training"
    at_once: int = 1
    # Outputs that have had no target yet; `None` before the first samples.
    _lacking: frozenset[str] | None = None
    _told_of_lacking = False

    def prepare(self, check: Check) -> None:
        """Check as much as possible before training. The model must have a shape."""
        raise NotImplementedError

    def split(self, fraction: float) -> Source:
        """Keep the first samples, and return a source of the last `fraction` of them.

        Raises
        ------
        ValueError
            If one part would be empty, or the source cannot be split.
        """
        raise ValueError(
            "validation_split needs arrays: with a dataset it is not known in advance which batches are the last ones."
        )

    def join(self) -> None:
        """Make one batch of all samples, for an optimizer that needs all of them.

        Raises
        ------
        ValueError
            If the source has its own batches, or smaller batches were asked for.
        """
        raise ValueError("The optimizer needs all samples in one batch: give fit arrays in memory.")

    def limit(self, steps: int | None, batch_size: int | None) -> None:
        """Set the batch size and the maximum number of batches of an evaluation."""

    def epoch(self) -> Iterator[Piece]:
        """The pieces of the next epoch of training."""
        raise NotImplementedError

    def sweep(self) -> Iterator[Piece]:
        """The pieces of an evaluation or a prediction, in order."""
        return self.epoch()

    def state(self) -> dict[str, Any] | None:
        """The state between epochs as plain values, for `set_state`; ``None`` if every epoch begins at the start."""
        return None

    def set_state(self, state: dict[str, Any] | None) -> None:
        """Let the next epoch begin at a saved state. This changes the random state."""

    @property
    def exhausted(self) -> bool:
        """Whether there are no samples for another epoch."""
        return False

    def close(self) -> None:
        """End all threads."""

    def _warn_of_fewer(self, steps: int, asked: int | None) -> None:
        """Warn if an epoch has fewer steps than asked for, so that whole executions are missing."""
        if asked is not None and whole_executions(steps, self.at_once) < asked:
            ran_out(CALLER[self.purpose] + 2, self.purpose)

    def _look_for_targets(self, samples: Samples) -> None:
        """Update the outputs that have had no target yet by these samples."""
        if samples.may_miss and not self._told_of_lacking:
            lacking = samples.without_targets()
            self._lacking = lacking if self._lacking is None else self._lacking & lacking

    def _tell_of_lacking(self, stacklevel: int) -> None:
        """After all samples, warn of outputs that have no targets. `stacklevel` leads to the user's code."""
        if self._lacking and not self._told_of_lacking:
            names = ", ".join(map(repr, sorted(self._lacking)))
            warnings.warn(
                f"All targets of output {names} are missing in the data for {self.purpose}, and missing='ignore' "
                "leaves them out. The loss of this output is 0 there, which means nothing.",
                stacklevel=stacklevel + 1,
            )
        self._told_of_lacking = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def whole_executions(steps: int, at_once: int) -> int:
    """A number of steps, rounded up to a multiple of `at_once`, as in Keras."""
    return -(-steps // at_once) * at_once


def ran_out(stacklevel: int, purpose: str = "training") -> None:
    """Give Keras's warning that samples have run out. `stacklevel` leads to the user's code."""
    needed = {
        "training": "your dataset or generator can generate at least `steps_per_epoch * epochs` batches",
        "validation": "validation_data can generate at least `validation_steps` batches for each validation: an "
        "iterator has each only once",
    }
    enough = needed.get(purpose, "your dataset or generator can generate at least `steps` batches")
    warnings.warn(
        f"Your input ran out of data; interrupting {purpose}. Make sure that {enough}.", stacklevel=stacklevel
    )
