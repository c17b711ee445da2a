"""Arguments of losses, metrics, regularizers and constraints that are set after an engine was made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cbackprop.spec import Adjustable, arguments_of

if TYPE_CHECKING:
    from cbackprop.engine.engine import Engine

__all__ = ["SetArguments"]


class SetArguments:
    """Knows the arguments that an engine was made with, and has it take over those that were set since.

    Parameters
    ----------
    engine : Engine

    Attributes
    ----------
    looked_at : int
        `Adjustable.last_set` when this object last looked for changes; -1 if it must look again.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.looked_at = -1
        self._judging: list[Any] | None = arguments_of(_judges(engine))  # `None` while the engine is being made again
        self._holding: list[Any] | None = None

    def note_weights(self) -> None:
        """Remember the arguments of regularizers and constraints with which the weights are now bound."""
        self._holding = arguments_of(_holders(self.engine))

    def judge_otherwise(self) -> bool:
        """Whether an argument of a loss, a metric or a penalty of outputs has changed."""
        return self.looked_at != Adjustable.last_set and self._judging != arguments_of(_judges(self.engine))

    def follow(self, judged: bool = True) -> None:
        """Take over what has changed since the last run.

        If losses and metrics are not `judged`, only finish what was interrupted.
        """
        engine = self.engine
        last_set = Adjustable.last_set  # read first, because another thread may set more of them meanwhile
        if self.looked_at == last_set or engine.is_busy() or not (judged or self._judging is None):
            return
        if engine.bound and self._holding != arguments_of(_holders(engine)):
            engine.bound, engine.problem = False, None
        if self.judge_otherwise():
            self._renew()
        self.looked_at = last_set

    def _renew(self) -> None:
        engine, judging = self.engine, arguments_of(_judges(self.engine))
        earlier, self._judging = self._judging, None  # until the end, because an interrupt may come at any line
        try:
            engine.renew()
        except (TypeError, ValueError):  # a wrong argument
            self._judging = earlier
            raise
        self._judging = judging


def _judges(engine: Engine) -> Iterable[Any]:
    """Losses, metrics and penalties of outputs."""
    for objective in engine.objectives:
        yield objective.loss
        yield from (metric for metric, _ in objective.metrics)
    yield from (activity.regularizer for activity in engine.activities)


def _holders(engine: Engine) -> Iterable[Any]:
    """Regularizers and constraints of weights."""
    for variable in engine.trainable:
        yield variable.regularizer
        yield variable.constraint
