"""The state of an optimizer for one model: as arrays for updates, and as a dict for saving."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from cbackprop.compiled.kernels.memory import aligned_zeros
from cbackprop.optimizers.optimizer_variable import check_array
from cbackprop.parameter_store import AtRest, ParameterStore
from cbackprop.validation import check_integer, check_number
from cbackprop.variable import Variable

if TYPE_CHECKING:
    from cbackprop.optimizers.state_methods import StateMethods

__all__ = ["OptimizerState", "keys_of", "variables_of"]

Array = NDArray[Any]


def no_store() -> None:
    """In place of a weak reference to a store."""


class OptimizerState:
    """The state of the training of one model, or of steps on one list of arrays.

    An optimizer is a rule with its settings and may be used by several models. Each model has its own state, which all
    its engines share. Methods that need the rule take the optimizer as an argument.

    Attributes
    ----------
    batches : int
        The number of batches so far.
    slots : dict
        The slots of each variable; for plain arrays given to `Optimizer.apply`, by their index in the list.
    search : object, optional
        The state of a full-batch optimizer.
    built : list, optional
        The variables that `Optimizer.build` was given.
    """

    def __init__(self) -> None:
        self._batches = 0
        self.slots: dict[Any, list[Array | None]] = {}
        self.search: Any = None
        self.built: list[Any] | None = None
        self._applied: dict[int, tuple[tuple[int, ...], np.dtype[Any]]] | None = None
        self._forget_vectors()

    def _forget_vectors(self) -> None:
        self._store: Callable[[], ParameterStore | None] = no_store
        self._vectors: list[Array] = []
        self._laid_out: set[Variable] = set()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the vectors in copies and pickles: they are rebuilt from the slots."""
        return {name: self.__dict__[name] for name in ("_batches", "slots", "search", "built", "_applied")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget_vectors()

    def copy(self) -> Self:
        """An independent copy for the same variables."""
        made = copy.copy(self)
        made.slots = {key: [None if s is None else s.copy() for s in slots] for key, slots in self.slots.items()}
        made.search = copy.deepcopy(self.search, {id(v): v for v in self.slots if isinstance(v, Variable)})
        return made

    @property
    def batches(self) -> int:
        """The number of batches so far."""
        return self._batches

    @batches.setter
    def batches(self, value: int) -> None:
        self._batches = check_integer("batches", value, 0, 2**62)

    def fits(self, model: Any) -> bool:
        """Whether the state has only slots of this model's variables."""
        return not self.slots or (model.built and set(self.slots) <= set(model.variables))

    def remembered(self, rule: StateMethods, variable: Any, values: Array) -> list[Array | None]:
        """The slots of a variable; new ones if it has none yet."""
        found = self.slots.get(variable)
        return rule.new_slots(variable, values) if found is None else found

    def slots_of(self, rule: StateMethods, variables: list[Any], arrays: list[Array]) -> dict[Any, list[Array | None]]:
        """The slots of each variable, or of each array by its index in the list."""
        keys = keys_of(variables)
        shapes = {key: (a.shape, a.dtype) for key, a in zip(keys, arrays, strict=True) if isinstance(key, int)}
        if len(set(keys)) != len(keys):
            raise ValueError("trainable_variables must not hold a variable twice.")
        if shapes and self._applied not in (None, shapes):
            raise ValueError("apply needs arrays of the same shapes and dtype, in the same order, at every call.")
        self._applied = shapes or self._applied
        return {key: self.remembered(rule, key, array) for key, array in zip(keys, arrays, strict=True)}

    def lay_out(self, rule: StateMethods, store: ParameterStore, trainable: Sequence[Variable]) -> list[Array]:
        """One vector for each slot, laid out like the parameters in a store. Slots become views of these vectors.

        All engines with parameters in this store share the vectors. If an optimizer works on whole variables, slots can
        have any shape: they are separate arrays, and there are no vectors.
        """
        if self._store() is not store:
            count = 0 if rule.whole_variables else len(rule.memory_names)
            self._vectors = [aligned_zeros(store.values.size, store.dtype) for _ in range(count)]
            self._laid_out = set()
            self._store = weakref.ref(store)
        for variable in trainable:
            if variable not in self._laid_out or variable not in self.slots:
                part, shape = variable.span, variable.shape
                views: list[Any] = [vector[part].reshape(shape) for vector in self._vectors]
                self.slots[variable] = self._moved(rule, variable, views)
                self._laid_out.add(variable)
        return self._vectors

    def _moved(self, rule: StateMethods, variable: Variable, views: list[Any]) -> list[Array | None]:
        """The slots of a variable, moved to their new places if there is one for each; else where they are."""
        if views and rule.begins_with_zeros and variable not in self.slots:
            if variable in self._laid_out:  # before, so that there may be numbers of slots that were dropped
                for view in views:
                    view[...] = 0
            return views
        slots = self.remembered(rule, variable, variable.array)
        for view, old in zip(views, slots, strict=False):
            view[...] = old
        return views or slots

    def slot_access(self, key: Any, index: int) -> tuple[Callable[[], Any], Callable[[Array], None]]:
        """Functions that read and write a slot, wherever its memory is at that time."""

        def write(value: Array) -> None:
            with AtRest(variables_of([key])):
                slot = self.slots[key][index]
                assert slot is not None
                slot[...] = value

        return lambda: self.slots[key][index], write

    def averages(self, rule: StateMethods) -> dict[Any, Array]:
        """The moving averages of the weights by variable; empty without `use_ema`."""
        found = {}
        if rule.use_ema:
            for key, slots in self.slots.items():
                average = slots[len(rule.slot_names)]
                assert average is not None
                found[key] = average
        return found

    def swap_averages(self, rule: StateMethods) -> None:
        """See `Optimizer.swap_averages`."""
        averages = self.averages(rule)
        with AtRest(variables_of(averages)):
            for variable in variables_of(averages):
                earlier = variable.value
                variable.array[...] = averages[variable]
                averages[variable][...] = earlier

    def take_averages(self, rule: StateMethods, variables: list[Any]) -> None:
        """See `Optimizer.finalize_variable_values`."""
        if not rule.use_ema:
            return
        averages, keys = self.averages(rule), keys_of(variables)
        for key in keys:
            if key not in averages:
                raise ValueError(f"The optimizer has no average of {key!r}: it has not been trained.")
        with AtRest(variables_of(variables)):
            for key, variable in zip(keys, variables, strict=True):
                target = variable.array if isinstance(variable, Variable) else variable
                target[...] = averages[key]

    def listed(self, rule: StateMethods, variables: Iterable[Any] | None) -> dict[str, Any]:
        """See `Optimizer.state`."""
        found: dict[str, Any] = {"batches": self.batches}
        if rule.has_constant_rate:
            found["learning_rate"] = float(rule.learning_rate)
        for number, key in enumerate(self.slots if variables is None else keys_of(list(variables))):
            for name, array in zip(rule.memory_names, self.slots.get(key, ()), strict=False):
                if array is not None:
                    found[f"{number}/{name}"] = array.copy()
        return found

    def restore(self, rule: StateMethods, state: dict[str, Any], variables: list[Any] | None) -> None:
        """See `Optimizer.set_state`."""
        listed = list(self.slots) if variables is None else variables
        keys = keys_of(listed)
        slots: dict[Any, list[Array | None]] = {}
        expected = {"batches", *(["learning_rate"] if rule.has_constant_rate else [])}
        for number, (key, variable) in enumerate(zip(keys, listed, strict=True)):
            if key not in self.slots and not any(name.startswith(f"{number}/") for name in state):
                continue
            values = variable.array if isinstance(variable, Variable) else variable
            slots[key] = self.remembered(rule, key, values)
            named = zip(rule.memory_names, slots[key], strict=True)
            expected.update(f"{number}/{name}" for name, array in named if array is not None)
        if expected != set(state):
            odd = sorted(expected.symmetric_difference(state))[0]
            fault = "lacks" if odd in expected else "has an unknown entry"
            raise ValueError(f"The state of an optimizer {fault} {odd!r}: it belongs to another optimizer.")
        batches = check_integer("batches", state["batches"], 0, 2**62)
        rate = check_number("learning_rate", state.get("learning_rate", 0.0), 0)
        pairs = [
            (array, check_array(f"{number}/{name}", state[f"{number}/{name}"], array.shape))
            for number, key in enumerate(keys)
            for name, array in zip(rule.memory_names, slots.get(key, ()), strict=False)
            if array is not None
        ]
        with AtRest(variables_of(keys)):
            for array, value in pairs:
                array[...] = value
            self.slots.update(slots)
            self.batches = batches
        if rule.has_constant_rate:
            rule.learning_rate = rate


def keys_of(variables: list[Any]) -> list[Any]:
    """The keys of the slots: the variable itself, or for an array its index in the list."""
    return [v if isinstance(v, Variable) else index for index, v in enumerate(variables)]


def variables_of(keys: Iterable[Any]) -> list[Variable]:
    """The variables among the keys. Networks in other threads may be using them."""
    return [key for key in keys if isinstance(key, Variable)]
