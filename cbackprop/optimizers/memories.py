"""The states of an optimizer: one for each model, and one for variables that belong to no model."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

from cbackprop.optimizers.state import OptimizerState, keys_of
from cbackprop.variable import Variable

__all__ = ["Memories"]


class Memories:
    """The states of an optimizer.

    Attributes
    ----------
    by_model : mapping of Model to OptimizerState
        The states of the models that were compiled with the optimizer, as long as they exist.
    unowned : OptimizerState
        The state of variables and arrays that belong to no model.
    shown : OptimizerState
        The state that the optimizer's attributes show: that of the model compiled last.
    """

    def __init__(self) -> None:
        self.by_model: weakref.WeakKeyDictionary[Any, OptimizerState] = weakref.WeakKeyDictionary()
        self.shown = self.unowned = OptimizerState()
        # In a copy of an optimizer: the state that the original showed, until the copy is given a model's state.
        self._shown_in_copy: Callable[[], OptimizerState | None] = lambda: None

    @classmethod
    def of_copy(cls, shown: OptimizerState) -> Memories:
        """The states of a copy of an optimizer that showed this state."""
        made = cls()
        made.shown = made.unowned = shown
        made._shown_in_copy = weakref.ref(shown)
        return made

    def go_on_alone(self) -> None:
        """Replace the shown state by a copy that no other optimizer shares."""
        self.shown = self.unowned = self.shown.copy()

    def of_model(self, model: Any) -> OptimizerState:
        """The state of a model. The first model gets what was set before, if it fits."""
        found = self.by_model.get(model)
        if found is None:
            found = OptimizerState()
            if self.unowned.fits(model):
                found, self.unowned = self.unowned, found
            self.by_model[model] = found
        return found

    def of_variables(self, variables: Iterable[Any]) -> OptimizerState:
        """The state that has these variables: the shown one, another model's, or `unowned`."""
        keys = keys_of(list(variables))
        if all(isinstance(key, Variable) for key in keys):
            if all(key in self.shown.slots for key in keys):
                return self.shown
            owned = [(model.variables, state) for model, state in self.by_model.items() if model.built]
            known = [state for theirs, state in owned if set(keys) <= set(theirs)]
            if known:
                return self.shown if self.shown in known else known[0]
        return self.unowned

    def to_show(self, variables: list[Any]) -> OptimizerState:
        """The state for a list of variables; for an empty list, the shown one."""
        found = self.of_variables(variables) if variables else self.shown
        return self.shown if found is self.unowned and not found.slots else found

    def show(self, model: Any) -> OptimizerState:
        """Show the state of a model from now on."""
        self.shown = self.of_model(model)
        return self.shown

    def give(self, model: Any, state: OptimizerState) -> None:
        """Give a copied or unpickled model its state."""
        self.by_model[model] = state
        if self.shown is self.unowned or self._shown_in_copy() is state:
            self.shown = state
        if self.unowned is self._shown_in_copy():
            self.unowned = OptimizerState()

    def have_slots(self) -> bool:
        """Whether any state has slots."""
        return any(state.slots for state in [self.unowned, *self.by_model.values()])
