"""Arguments of losses, metrics, regularizers and constraints that are set after an engine was made."""

from __future__ import annotations

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
    objectives_are_of : int
        The same for the objectives alone, when there was no change.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.look_again()
        self._of_objectives: list[Any] | None = _of_objectives(engine)  # `None` while `_renew` runs
        self._of_weights: list[Any] | None = None

    def look_again(self) -> None:
        """Look for changes before the next run, because the engine serves another model."""
        self.looked_at = self.objectives_are_of = -1

    def note_weights(self) -> None:
        """Remember the arguments of regularizers and constraints with which the weights are now bound."""
        self._of_weights = _of_weights(self.engine)

    def objectives_differ(self) -> bool:
        """Whether an argument of a loss, a metric or a penalty of outputs has changed."""
        last_set = Adjustable.last_set  # read first, because another thread may set more of them meanwhile
        if last_set in (self.looked_at, self.objectives_are_of):
            return False
        differ = self._of_objectives != _of_objectives(self.engine)
        self.objectives_are_of = -1 if differ else last_set
        return differ

    def follow(self, with_losses: bool = True) -> None:
        """Take over what has changed since the last run.

        Where losses and metrics are not computed (`with_losses` false), only finish what was interrupted.
        """
        engine = self.engine
        last_set = Adjustable.last_set  # read first, as above
        if self.looked_at == last_set or engine.is_busy() or not (with_losses or self._of_objectives is None):
            return
        if engine.bound and self._of_weights != _of_weights(engine):
            engine.bound, engine.problem = False, None
        if self.objectives_differ():
            self._renew()
        self.looked_at = last_set

    def _renew(self) -> None:
        engine, now = self.engine, _of_objectives(self.engine)
        earlier, self._of_objectives = self._of_objectives, None  # to the end: an interrupt may come at any line
        try:
            engine.renew()
        except (TypeError, ValueError):  # a wrong argument
            self._of_objectives = earlier
            raise
        self._of_objectives = now


def _of_objectives(engine: Engine) -> list[Any]:
    """The arguments of losses, metrics and penalties of outputs."""
    specs = [spec for objective in engine.objectives for spec in (objective.loss, *(m for m, _ in objective.metrics))]
    return arguments_of([*specs, *(activity.regularizer for activity in engine.activities)])


def _of_weights(engine: Engine) -> list[Any]:
    """The arguments of regularizers and constraints of weights."""
    return arguments_of(spec for variable in engine.trainable for spec in (variable.regularizer, variable.constraint))
