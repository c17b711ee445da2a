"""Means of losses and metrics, for several runs of a model that use its engine alternately."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cbackprop.engine.engine import Engine

__all__ = ["MeansOf", "MeansOfRuns"]


class MeansOfRuns:
    """The means of all runs that use an engine. It holds those of one run; the others are put aside here."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.owner: Any = None  # the run whose means the engine holds
        self.put_aside: dict[Any, Any] = {}  # the sums of other runs, by owner

    def switch(self, owner: Any) -> None:
        """Save the means of the last owner, and continue with those of another one."""
        if self.owner is not None:
            self.put_aside[self.owner] = self.engine.sums()
        self.owner = owner
        if owner in self.put_aside:
            self.engine.go_on_from(self.put_aside.pop(owner))
        else:
            self.engine.reset()

    def forget(self, owner: Any) -> None:
        """Drop the means of an owner."""
        self.put_aside.pop(owner, None)
        self.owner = None if self.owner is owner else self.owner


class MeansOf:
    """The result of `Engine.means_of`.

    It is entered several times an epoch, and as a class it needs fewer Python calls than a generator would.
    """

    def __init__(self, engine: Engine, owner: Any) -> None:
        self.means, self.owner, self.lock = engine.means, owner, engine.lock

    def __enter__(self) -> None:
        """Wait for the engine."""
        self.lock.acquire()
        try:
            if self.means.owner is not self.owner:
                self.means.switch(self.owner)
        except BaseException:
            self.lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        self.lock.release()
