"""Means of losses and metrics, for several runs of a model that use its engine alternately."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cbackprop.engine.engine import Engine

__all__ = ["MeansOf"]


class MeansOf:
    """The result of `Engine.means_of`.

    It is entered several times an epoch, and as a class it needs fewer Python calls than a generator would.
    """

    def __init__(self, engine: Engine, owner: Any) -> None:
        self.engine, self.owner, self.lock = engine, owner, engine.lock

    def __enter__(self) -> None:
        """Wait for the engine."""
        self.lock.acquire()
        try:
            if self.engine.owner is not self.owner:
                self.engine.switch_means(self.owner)
        except BaseException:
            self.lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        self.lock.release()
