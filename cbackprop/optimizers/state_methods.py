"""The part of an optimizer that changes in training: learning rate, counts, slots and averages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from cbackprop.optimizers.array_steps import check_variables
from cbackprop.optimizers.learning_rate import LearningRate, bad_rate, checked_rate, compiled_schedule, rate_at
from cbackprop.optimizers.memories import Memories
from cbackprop.optimizers.optimizer_variable import CountVariable, OptimizerVariable, RateVariable
from cbackprop.optimizers.python_rules import refuse_uncalled_methods
from cbackprop.optimizers.shown_variables import assign_all, shown_variables
from cbackprop.optimizers.state import OptimizerState
from cbackprop.part_of import part_of
from cbackprop.validation import check_integer
from cbackprop.variable import Variable

__all__ = ["StateMethods"]

Array = NDArray[Any]


@part_of("Optimizer")
class StateMethods:
    """The part of `Optimizer` that changes in training: the learning rate, and the state of each model."""

    name: str
    use_ema: bool
    gradient_accumulation_steps: int | None
    _learning_rate: Any
    _memories: Memories

    # Names of the slots of each variable, in order.
    slot_names: tuple[str, ...] = ()

    # Whether the rule needs whole variables, because the update of an element depends on others.
    whole_variables: ClassVar[bool] = False

    @property
    def learning_rate(self) -> RateVariable:
        """The learning rate, at least 0; with a schedule, that of the next batch.

        It is a float, and also has Keras's ``assign(value)``, ``value`` and ``numpy()``.
        """
        return RateVariable(self.rate_at(self.batches), lambda value: setattr(self, "learning_rate", value))

    @learning_rate.setter
    def learning_rate(self, value: LearningRate) -> None:
        self._learning_rate = checked_rate(value, self._learning_rate)

    @property
    def has_constant_rate(self) -> bool:
        """Whether the learning rate is a number, and not a schedule or a function."""
        return isinstance(self._learning_rate, float)

    def rate_at(self, step: int) -> float:
        """The learning rate of the batch that follows `step` others.

        Raises
        ------
        TypeError, ValueError
            If a schedule does not return a finite number of at least 0.
        """
        return rate_at(self._learning_rate, step)

    def rate_for(self, model: Any) -> float:
        """The learning rate of a model's next batch."""
        return self.rate_at(self.state_for(model).batches)

    def bad_rate(self, step: int, value: float) -> ValueError:
        """The error for a bad rate that a schedule gave to compiled code."""
        return bad_rate(self._learning_rate, step, value)

    def compiled_schedule(self) -> Any:
        """The object from which compiled code gets the rate of each step; ``None`` if it is constant."""
        return compiled_schedule(self._learning_rate, self.rate_at)

    @property
    def batches(self) -> int:
        """Batches so far, for the model compiled last."""
        return self._state.batches

    @batches.setter
    def batches(self, value: int) -> None:
        self._state.batches = value

    @property
    def slots(self) -> dict[Any, list[Array | None]]:
        """The slots of each variable (or of each array, by index), for the model compiled last."""
        return self._state.slots

    @property
    def iterations(self) -> CountVariable:
        """Updates so far. It is an int, and also has Keras's ``assign(value)``, ``value`` and ``numpy()``."""
        return CountVariable(self.iterations_of(self._state), lambda value: setattr(self, "iterations", value))

    @iterations.setter
    def iterations(self, value: int) -> None:
        self.batches = check_integer("iterations", value, 0, 2**40) * (self.gradient_accumulation_steps or 1)

    def iterations_of(self, state: OptimizerState) -> int:
        """The number of updates in a state."""
        return state.batches // (self.gradient_accumulation_steps or 1)

    @property
    def memory_names(self) -> tuple[str, ...]:
        """Names of all slots: those of the rule, then those that every optimizer may have."""
        names = self.slot_names
        if self.use_ema:
            names = (*names, "average")
        return (*names, "gradient_accumulator") if self.gradient_accumulation_steps else names

    @property
    def begins_with_zeros(self) -> bool:
        """Whether all slots are zeros before the first step."""
        return type(self).new_slot is StateMethods.new_slot and type(self).new_slots is StateMethods.new_slots

    def new_slot(self, name: str, values: Array, path: str) -> Array | None:
        """A slot before the first step of a variable with these values; ``None`` if the variable needs none."""
        return np.zeros_like(values, order="C", subok=False)

    def new_slots(self, variable: Any, values: Array) -> list[Array | None]:
        """All slots of a variable before its first step."""
        path = variable.path if isinstance(variable, Variable) else ""
        common = len(self.slot_names)
        own = [self.new_slot(name, values, path) for name in self.slot_names]
        return own + [np.zeros_like(values, order="C", subok=False) for _ in self.memory_names[common:]]

    @property
    def _state(self) -> OptimizerState:
        """The state that attributes show: that of the model compiled last."""
        return self._memories.shown

    def state_for(self, model: Any) -> OptimizerState:
        """The state of one model.

        The first model gets what was set or built before it was compiled, if that fits.
        """
        return self._memories.of_model(model)

    def attach(self, model: Any) -> OptimizerState:
        """Note that a model is compiled with this optimizer. From now on, attributes show its state.

        Raises
        ------
        TypeError
            If a user's class has a method that training would never call.
        """
        refuse_uncalled_methods(type(self))
        return self._memories.show(model)

    def give_state(self, model: Any, state: OptimizerState) -> None:
        """Give a copied or unpickled model its state."""
        self._memories.give(model, state)

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles: the shown state. Models bring their own."""
        own = {name: value for name, value in self.__dict__.items() if name != "_memories"}
        return own | {"_state": self._memories.shown, "_unowned": self._memories.unowned}

    def __setstate__(self, state: dict[str, Any]) -> None:
        own = {name: value for name, value in state.items() if name not in ("_state", "_unowned")}
        self.__dict__.update(own | {"_memories": Memories.of_copy(state["_state"])})

    def __copy__(self) -> Self:
        """An independent optimizer with a copy of the state."""
        made = type(self).__new__(type(self))
        made.__setstate__(self.__getstate__())
        made._memories.go_on_alone()
        return made

    @property
    def built(self) -> bool:
        """Whether there are slots of any variable."""
        return bool(self.slots) or self._state.built is not None

    def build(self, variables: Iterable[Any]) -> None:
        """Make the slots of variables, as the first step does. `apply` then knows the variables.

        Parameters
        ----------
        variables : iterable of Variable or ndarray

        Raises
        ------
        TypeError, ValueError
            If something else is among them.
        """
        listed = list(variables)
        arrays = [v.array if isinstance(v, Variable) else v for v in listed]
        check_variables(arrays)
        state = self._memories.of_variables(listed)
        state.slots.update(state.slots_of(self, listed, arrays))
        state.built = listed
        self._memories.shown = state

    @property
    def variables(self) -> list[OptimizerVariable]:
        """The number of batches, the learning rate if it is constant, and the slots of all variables."""
        return shown_variables(self, self._state)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Give all `variables` the values of these arrays, in order.

        Raises
        ------
        ValueError
            If there are no slots yet, or the number of arrays differs.
        TypeError
            If one is not an array of numbers.
        """
        if not self.built:
            raise ValueError("The optimizer has nothing to set yet: call build(variables), or train first.")
        assign_all(self.variables, weights)

    def state(self, variables: Iterable[Any] | None = None) -> dict[str, Any]:
        """The state, to be saved and given to `set_state` later.

        Parameters
        ----------
        variables : iterable of Variable, optional
            The order in which variables are numbered, such as ``model.trainable_variables``. By default the order in
            which the optimizer got them.

        Returns
        -------
        dict
            ``"batches"``: int; ``"learning_rate"``: float, if there is no schedule; ``"NUMBER/SLOT"``: ndarray (a copy)
            for each slot of each variable.
        """
        listed = None if variables is None else list(variables)
        return self._memories.to_show(listed or []).listed(self, listed)

    def set_state(self, state: dict[str, Any], variables: Iterable[Any] | None = None) -> None:
        """Restore what `state` returned.

        Parameters
        ----------
        state : dict
        variables : iterable of Variable, optional
            As given to `state`. Needed if the optimizer has not had its variables yet.

        Raises
        ------
        TypeError, ValueError
            If an entry is missing, unknown, or does not fit. Nothing is changed then.
        """
        listed = None if variables is None else list(variables)
        self._memories.to_show(listed or []).restore(self, state, listed)

    @property
    def averages(self) -> dict[Any, Array]:
        """The moving averages by variable; writing to one changes it. Empty without `use_ema`."""
        return self._state.averages(self)

    def swap_averages(self) -> None:
        """Exchange the weights and their moving averages.

        Raises
        ------
        ValueError
            Without `use_ema`.
        """
        if not self.use_ema:
            raise ValueError("swap_averages needs an optimizer with use_ema=True.")
        self._state.swap_averages(self)

    def finalize_variable_values(self, var_list: Iterable[Any]) -> None:
        """With `use_ema`, set weights to their moving averages. `fit` calls this at its end.

        Parameters
        ----------
        var_list : iterable of Variable, or ndarrays as given to `apply`

        Raises
        ------
        ValueError
            If one of them has no average yet.
        """
        if not self.use_ema:
            return
        listed = list(var_list)
        self._memories.of_variables(listed).take_averages(self, listed)
