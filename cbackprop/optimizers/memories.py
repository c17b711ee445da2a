"""What one optimizer remembers of several models: a state for each, and one for variables that belong to none."""

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
        Of the models that were compiled with the optimizer, as long as they are in use.
    unowned : OptimizerState
        Of variables and arrays that belong to none of them.
    shown : OptimizerState
        What the optimizer's own attributes tell: the state of the model compiled last.
    """

    def __init__(self) -> None:
        self.by_model: weakref.WeakKeyDictionary[Any, OptimizerState] = weakref.WeakKeyDictionary()
        self.shown = self.unowned = OptimizerState()
        # In a copy, until a model brings its state: what the original showed.
        self._shown_in_copy: Callable[[], OptimizerState | None] = lambda: None

    @classmethod
    def of_copy(cls, shown: OptimizerState) -> Memories:
        """Those of a copy of an optimizer, which shows this state."""
        made = cls()
        made.shown = made.unowned = shown
        made._shown_in_copy = weakref.ref(shown)
        return made

    def go_on_alone(self) -> None:
        """Share what is shown with no other optimizer any more."""
        self.shown = self.unowned = self.shown.copy()

    def of_model(self, model: Any) -> OptimizerState:
        """The state of a model. The first one takes over what was set before, if that fits."""
        found = self.by_model.get(model)
        if found is None:
            found = OptimizerState()
            if self.unowned.fits(model):
                found, self.unowned = self.unowned, found
            self.by_model[model] = found
        return found

    def of_variables(self, variables: Iterable[Any]) -> OptimizerState:
        """The state in which these variables are known: the one shown, that of another model, or of none."""
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
        """The state that is meant by a list of variables, or by an empty list."""
        found = self.of_variables(variables) if variables else self.shown
        return self.shown if found is self.unowned and not found.slots else found

    def show(self, model: Any) -> OptimizerState:
        """Show the state of a model from now on."""
        self.shown = self.of_model(model)
        return self.shown

    def give(self, model: Any, state: OptimizerState) -> None:
        """Let a model that comes out of a copy or a pickle have its state again."""
        self.by_model[model] = state
        if self.shown is self.unowned or self._shown_in_copy() is state:
            self.shown = state
        if self.unowned is self._shown_in_copy():
            self.unowned = OptimizerState()

    def have_slots(self) -> bool:
        """Whether anything is remembered of any variable."""
        return any(state.slots for state in [self.unowned, *self.by_model.values()])
